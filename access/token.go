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
)

// MaxToken is the size of the longest token, in bytes: what fits the header of a request with some room for others.
const MaxToken = 8 << 10

// Verifier checks tokens. Each is checked with Keys first and with those of JWKS after that.
type Verifier struct {
	Keys []Key
	JWKS *JWKS // nil: none

	Issuer   string // the iss that tokens must have; "": any, or none
	Audience string // what must be in the aud of tokens; "": anything, or nothing

	// Leeway is for clocks that differ: exp, nbf and iat are taken as they come within it. 0: 30 s; negative: none; at most an hour.
	Leeway time.Duration

	// MaxLife is the longest time between iat and exp, both of which a token then must have. 0: no bound, and a token may live for
	// ever.
	MaxLife time.Duration
}

// defaultLeeway is enough for clocks that are set by hand, and short beside any life of a token.
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

// Verify returns what a token grants. The error is a *[Refusal]. It waits only for keys that have to be fetched, and no longer than
// ctx.
func (v *Verifier) Verify(ctx context.Context, token string) (Grant, error) {
	t, err := split(token)
	if err != nil {
		return Grant{}, err
	}
	if err := v.checkSignature(ctx, t); err != nil {
		return Grant{}, err
	}
	c, err := parseClaims(t.payload)
	if err != nil {
		return Grant{}, err
	}
	now := time.Now()
	if err := v.checkClaims(&c, now); err != nil {
		return Grant{}, err
	}
	return v.grant(t, &c, now), nil
}

// Unverified is what a token says of itself. Anybody can write a token: it is for people who want to know what they have in hand,
// and nothing of it is to be acted on.
type Unverified struct {
	Algorithm, KeyID string
	Issuer           string
	Audience         []string
	NotBefore        time.Time
	Claimed          Grant // Expires is the token's exp
}

// Peek reads a token without checking that it was signed by anybody. With an error, a *[Refusal], it returns what could be read.
func Peek(token string) (Unverified, error) {
	t, err := split(token)
	if err != nil {
		return Unverified{}, err
	}
	c, err := parseClaims(t.payload)
	return Unverified{
		Algorithm: t.alg, KeyID: t.kid, Issuer: c.issuer, Audience: c.audience, NotBefore: c.notBefore, Claimed: c.grant,
	}, err
}

// parts are those of a token. Of its header only alg and kid are looked at, as hints to find a key that is pinned to that
// algorithm: jku, jwk, x5u and x5c, which bring or name a key, are not read at all.
type parts struct {
	alg, kid  string
	signed    string // what is signed
	payload   []byte
	signature []byte
}

// strict refuses bits that do not count, so that a token cannot be written in two ways. It still skips line ends.
var strict = base64.RawURLEncoding.Strict()

// split takes a token apart. The error is a *Refusal.
func split(token string) (*parts, error) {
	bad := func(format string, args ...any) (*parts, error) {
		return nil, refuse(Malformed, unreadable, format, args...)
	}
	if len(token) > MaxToken {
		return nil, refuse(Malformed, "the token is too long", "it has %d bytes; %d are the most that are accepted", len(token), MaxToken)
	}
	if scheme, _, ok := strings.Cut(token, " "); ok && strings.EqualFold(scheme, "Bearer") {
		return bad("it begins with the word Bearer, which belongs in front of the token and not into it")
	}
	if strings.ContainsAny(token, "\r\n") {
		return bad("there is a line end in it")
	}
	switch n := strings.Count(token, "."); n {
	case 2:
	case 4:
		return bad("it is encrypted (JWE), which is not supported")
	default:
		return bad("it has %d dots, and a token has 2: header.claims.signature", n)
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

// credential returns what tells a token from others. The signature is not in it: of the same token there may be several.
func (t *parts) credential() uint64 {
	sum := sha256.Sum256([]byte(t.signed))
	return max(binary.BigEndian.Uint64(sum[:]), 1)
}

// types are those of a token that grants access, in lower case: RFC 7519, section 5.1, and RFC 9068, section 2.1. Other tokens of the
// same issuer, such as those that log somebody out, are signed with the same key and must not be taken for one.
var types = []string{"", "jwt", "at+jwt", "application/at+jwt"}

func (t *parts) readHeader(data []byte) error {
	h, err := parseObject(data)
	if err != nil {
		return err
	}
	if t.alg, err = h.text("alg"); err != nil {
		return err
	}
	if t.kid, err = h.text("kid"); err != nil {
		return err
	}
	typ, err := h.text("typ")
	switch {
	case err != nil:
		return err
	case !slices.Contains(types, strings.ToLower(typ)):
		return fmt.Errorf("typ is %.100q, which is no token for access", typ)
	case h.has("crit"): // RFC 7515, section 4.1.11: what is critical has to be understood
		return errors.New("it has crit, and nothing that could be critical is supported")
	case h.has("cty"): // RFC 7519, section 5.2
		return errors.New("it has cty: a token within a token is not supported")
	}
	return nil
}

// checkSignature looks for a key that has signed the token.
func (v *Verifier) checkSignature(ctx context.Context, t *parts) error {
	if strings.EqualFold(t.alg, "none") || t.alg == "" {
		return refuse(WrongAlgorithm, notOurs, "it is not signed: its algorithm is %q", t.alg)
	}
	if signedBy(v.Keys, t) {
		return nil
	}
	tried := v.Keys
	if v.JWKS != nil {
		keys, err := v.JWKS.find(ctx, t)
		if err != nil {
			return err
		}
		if signedBy(keys, t) {
			return nil
		}
		tried = slices.Concat(tried, keys)
	}
	return t.misfit(tried)
}

// misfit says why none of the keys that were tried has signed the token.
func (t *parts) misfit(tried []Key) error {
	var pinned []string
	for _, k := range tried {
		pinned = append(pinned, k.algs...)
	}
	switch {
	case len(tried) == 0:
		return refuse(UnknownKey, notOurs, "no key is configured to check tokens with")
	case !slices.Contains(pinned, t.alg):
		slices.Sort(pinned)
		return refuse(WrongAlgorithm, notOurs, "it says that it is signed with %.20q, and what could check it is pinned to %s",
			t.alg, strings.Join(slices.Compact(pinned), ", "))
	}
	return refuse(BadSignature, notOurs, "its %s signature does not fit: it was signed with another key, or changed after that", t.alg)
}

func signedBy(keys []Key, t *parts) bool {
	return slices.ContainsFunc(keys, func(k Key) bool { return k.signed(t) })
}
