package access

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/tidings-sse/tidings/eventlog"
)

// Signer makes tokens. Login servers and the command line use it; a hub only verifies.
type Signer struct {
	Issuer   string // iss; "": none
	Audience string // aud; "": none

	alg     string
	private any
	public  Key
}

// ParseSigner returns a signer for a secret, see [ParseKey], or for a private key in PEM. Algorithm "" means the usual one of the key's
// type.
func ParseSigner(text []byte, algorithm string) (*Signer, error) {
	private, public, err := parsePrivate(text)
	if err != nil {
		return nil, err
	}
	var pin []string
	if algorithm != "" {
		pin = []string{algorithm}
	}
	key, err := newKey(public, pin)
	if err != nil {
		return nil, err
	}
	return &Signer{alg: key.algs[0], private: private, public: key}, nil
}

// parsePrivate reads a signing key, and returns it with the key that verifies its signatures.
func parsePrivate(text []byte) (private, public any, err error) {
	material, err := parseMaterial(text)
	switch {
	case err == nil:
		secret, ok := material.([]byte)
		if !ok {
			return nil, nil, errors.New("access: this is a public key, which cannot sign; give the private key")
		}
		return secret, secret, nil
	case !errors.Is(err, ErrPrivate):
		return nil, nil, err
	}
	block, err := onlyBlock(text)
	if err != nil {
		return nil, nil, err
	}
	switch block.Type {
	case "RSA PRIVATE KEY":
		private, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		private, err = x509.ParseECPrivateKey(block.Bytes)
	case "PRIVATE KEY":
		private, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	default:
		err = fmt.Errorf("the PEM block %q is not supported; openssl pkey -in FILE writes the key without a password", block.Type)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("access: reading the private key: %w", err)
	}
	switch k := private.(type) {
	case *rsa.PrivateKey, *ecdsa.PrivateKey, ed25519.PrivateKey:
		return private, k.(crypto.Signer).Public(), nil
	}
	return nil, nil, fmt.Errorf("access: unsupported private key, a %T; use RSA, Ed25519, P-256, P-384 or P-521", private)
}

// Key returns the key that verifies the signer's tokens, pinned to its algorithm.
func (s *Signer) Key() Key { return s.public }

// minted is the JSON of the claims that a signer writes; see payload for the reading side.
type minted struct {
	Issuer   string `json:"iss,omitzero"`
	Audience string `json:"aud,omitzero"`
	Subject  string `json:"sub,omitzero"`
	ID       string `json:"jti"`
	IssuedAt int64  `json:"iat"`
	Expires  *int64 `json:"exp,omitzero"`
	Tidings  struct {
		Publish   []string `json:"publish,omitzero"`
		Subscribe []string `json:"subscribe,omitzero"`
		Presence  []string `json:"presence,omitzero"`
		Admin     bool     `json:"admin,omitzero"`

		PresentData jsontext.Value `json:"present_data,omitzero"`
	} `json:"tidings"`
}

// Mint returns a token that grants g. [Verifier.Verify] turns it into g again, with times in whole seconds. If g has no ID, Mint makes a
// random one; if it has no IssuedAt, the time is now.
func (s *Signer) Mint(g Grant) (string, error) {
	c := minted{Issuer: s.Issuer, Audience: s.Audience, Subject: g.Subject, ID: g.ID, IssuedAt: g.IssuedAt.Unix()}
	if g.ID == "" {
		c.ID = rand.Text()
	}
	if g.IssuedAt.IsZero() {
		c.IssuedAt = time.Now().Unix()
	}
	if !g.Expires.IsZero() {
		c.Expires = new(g.Expires.Unix())
	}
	c.Tidings.Admin = g.Admin
	var err error
	if c.Tidings.Publish, err = texts(g.Publish); err != nil {
		return "", err
	}
	if c.Tidings.Subscribe, err = texts(g.Subscribe); err != nil {
		return "", err
	}
	if c.Tidings.Presence, err = texts(g.Presence); err != nil {
		return "", err
	}
	if g.PresentData != "" {
		c.Tidings.PresentData = jsontext.Value(g.PresentData)
	}
	payload, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	if _, err := parseClaims(payload); err != nil {
		return "", fmt.Errorf("access: hubs would refuse the token: %w", err)
	}
	header := fmt.Sprintf(`{"alg":%q,"typ":"JWT"}`, s.alg)
	signed := strict.EncodeToString([]byte(header)) + "." + strict.EncodeToString(payload)
	signature, err := methods[s.alg].Sign(signed, s.private)
	if err != nil {
		return "", err
	}
	token := signed + "." + strict.EncodeToString(signature)
	if len(token) > MaxToken {
		return "", fmt.Errorf("access: the token would have %d bytes, and hubs accept %d; grant fewer or wider patterns", len(token), MaxToken)
	}
	return token, nil
}

// texts returns the texts of patterns. A token cannot have matchers of other kinds.
func texts(matchers []eventlog.Matcher) (texts []string, err error) {
	for _, m := range matchers {
		p, ok := m.(eventlog.Pattern)
		if !ok {
			return nil, fmt.Errorf("access: a token grants patterns, and not %T", m)
		}
		texts = append(texts, p.String())
	}
	return texts, nil
}
