package access

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// MaxToken is the maximum size of a token in bytes. It fits a request header next to other fields.
const MaxToken = 8 << 10

// Verifier checks tokens, first with Keys and then with those of JWKS.
type Verifier struct {
	Keys []Key
	JWKS *JWKS // nil: none

	Issuer   string // the required iss; "": not checked
	Audience string // a required element of aud; "": not checked

	// Leeway is how far the clocks of issuers may differ from this one. It applies to exp, nbf and iat. 0: 30 s; negative: none; the
	// maximum is an hour.
	Leeway time.Duration

	// MaxLife limits the time between iat and exp, both of which a token must then have. 0: no limit, and exp may be missing.
	MaxLife time.Duration
}

// defaultLeeway is enough for clocks set by hand, and short compared with the life of a token.
const (
	defaultLeeway = 30 * time.Second
	maxLeeway     = time.Hour
)

func (v *Verifier) leeway() time.Duration { return leewayOf(v.Leeway) }

func leewayOf(d time.Duration) time.Duration {
	if d == 0 {
		return defaultLeeway
	}
	return min(max(d, 0), maxLeeway)
}

// Verify checks a token and returns its grant. The error is a *[Refusal]. Verify blocks only while a key is fetched, until ctx ends.
func (v *Verifier) Verify(ctx context.Context, token string) (Grant, error) {
	g, _, err := v.verify(ctx, token)
	return g, err
}

// verify is Verify. It also names the key that signed the token, once it is known.
func (v *Verifier) verify(ctx context.Context, token string) (Grant, *SigningKey, error) {
	t, err := split(token)
	if err != nil {
		return Grant{}, nil, err
	}
	by, err := v.checkSignature(ctx, t)
	if err != nil {
		return Grant{}, nil, err
	}
	c, err := parseClaims(t.payload)
	if err != nil {
		return Grant{}, by, err
	}
	now := time.Now()
	if err := v.checkClaims(&c, now); err != nil {
		return Grant{}, by, err
	}
	return v.grantOf(t, &c, now), by, nil
}

// Unverified is the content of a token whose signature was not checked. It is meant for display only: anyone can write such a token.
type Unverified struct {
	Algorithm, KeyID string
	Issuer           string
	Audience         []string
	NotBefore        time.Time
	Claimed          Grant // Expires is the token's exp; Credential is that of an accepted token
}

// Peek reads a token without checking its signature. With an error, a *[Refusal], it returns the content read before the error.
func Peek(token string) (Unverified, error) {
	t, err := split(token)
	if err != nil {
		return Unverified{}, err
	}
	c, err := parseClaims(t.payload)
	c.grant.Credential = t.credential()
	return Unverified{
		Algorithm: t.alg, KeyID: t.kid, Issuer: c.issuer, Audience: c.audience, NotBefore: c.notBefore, Claimed: c.grant,
	}, err
}

// parts is a decoded token. From its header only alg and kid are used, as hints for finding a key. The fields that carry or locate a
// key (jku, jwk, x5u, x5c) are ignored.
type parts struct {
	alg, kid  string
	signed    string // the header and the claims as sent
	payload   []byte
	signature []byte
}

// strict refuses stray bits at the end, so that each token has one spelling. It does not refuse line ends; split does.
var strict = base64.RawURLEncoding.Strict()

// split decodes a token. The error is a *Refusal.
func split(token string) (*parts, error) {
	bad := func(format string, args ...any) (*parts, error) {
		return nil, refuse(Malformed, unreadable, format, args...)
	}
	if len(token) > MaxToken {
		return nil, refuse(Malformed, "the token is too long", "it has %d bytes; the limit is %d", len(token), MaxToken)
	}
	if scheme, _, ok := strings.Cut(token, " "); ok && strings.EqualFold(scheme, "Bearer") {
		return bad("it begins with the word Bearer, which is not part of the token")
	}
	if strings.ContainsAny(token, "\r\n") {
		return bad("it contains a line end")
	}
	switch n := strings.Count(token, "."); n {
	case 2:
	case 4:
		return bad("it is encrypted (JWE), which is not supported")
	default:
		return bad("it has %d dots instead of 2 (header.claims.signature)", n)
	}
	end := strings.LastIndexByte(token, '.')
	t := &parts{signed: token[:end]}
	head, body, _ := strings.Cut(t.signed, ".")
	header, err := strict.DecodeString(head)
	if err != nil {
		return bad("its header is not base64url: %v", err)
	}
	if t.payload, err = strict.DecodeString(body); err != nil {
		return bad("its claims are not base64url: %v", err)
	}
	if t.signature, err = strict.DecodeString(token[end+1:]); err != nil {
		return bad("its signature is not base64url: %v", err)
	}
	if err := t.readHeader(header); err != nil {
		return bad("its header: %v", err)
	}
	return t, nil
}

// credential returns a hash that identifies a token. It leaves out the signature, because one token may be signed more than once.
func (t *parts) credential() uint64 {
	sum := sha256.Sum256([]byte(t.signed))
	return max(binary.BigEndian.Uint64(sum[:]), 1)
}

// types are the values of typ of an access token, in lower case: RFC 7519, section 5.1, and RFC 9068, section 2.1. Other tokens of the
// same issuer, such as logout tokens, are signed with the same key and must not grant access.
var types = []string{"", "jwt", "at+jwt", "application/at+jwt"}

func (t *parts) readHeader(data []byte) error {
	var h struct {
		Alg  string         `json:"alg"`
		Kid  string         `json:"kid"`
		Typ  string         `json:"typ"`
		Crit jsontext.Value `json:"crit"`
		Cty  jsontext.Value `json:"cty"`
	}
	if err := decodeToken(data, &h); err != nil {
		return err
	}
	switch t.alg, t.kid = h.Alg, h.Kid; {
	case !slices.Contains(types, strings.ToLower(h.Typ)):
		return fmt.Errorf("typ is %.100q, which is not an access token", h.Typ)
	case h.Crit != nil: // RFC 7515, section 4.1.11: critical extensions must be understood
		return errors.New("it has crit, and no critical extension is supported")
	case h.Cty != nil: // RFC 7519, section 5.2
		return errors.New("it has cty: nested tokens are not supported")
	}
	return nil
}

// checkSignature looks for the key that signed the token. The error is a *Refusal.
func (v *Verifier) checkSignature(ctx context.Context, t *parts) (*SigningKey, error) {
	if strings.EqualFold(t.alg, "none") || t.alg == "" {
		return nil, refuse(WrongAlgorithm, notOurs, "it is not signed: its algorithm is %q", t.alg)
	}
	if i := signedBy(v.Keys, t); i >= 0 {
		return &SigningKey{Number: i + 1}, nil
	}
	tried := v.Keys
	if v.JWKS != nil {
		keys, err := v.JWKS.find(ctx, t)
		if err != nil {
			return nil, err
		}
		if i := signedBy(keys, t); i >= 0 {
			return &SigningKey{ID: keys[i].id}, nil
		}
		tried = slices.Concat(tried, keys)
	}
	return nil, t.misfit(tried)
}

// misfit returns the refusal of a token that none of the tried keys signed.
func (t *parts) misfit(tried []Key) error {
	var pinned []string
	for _, k := range tried {
		pinned = append(pinned, k.algs...)
	}
	switch {
	case len(tried) == 0:
		return refuse(UnknownKey, notOurs, "no key is configured to check tokens")
	case !slices.Contains(pinned, t.alg):
		slices.Sort(pinned)
		return refuse(WrongAlgorithm, notOurs, "its algorithm is %.20q, and the keys are pinned to %s",
			t.alg, strings.Join(slices.Compact(pinned), ", "))
	}
	return refuse(BadSignature, notOurs, "its %s signature does not match: it was signed with another key, or modified later", t.alg)
}

// signedBy returns the index of the key that signed the token, -1 if there is none.
func signedBy(keys []Key, t *parts) int {
	return slices.IndexFunc(keys, func(k Key) bool { return k.signed(t) })
}
