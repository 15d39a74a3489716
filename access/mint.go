package access

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// Signer makes tokens. A hub needs none: it is for whoever logs people in, and for the command line.
type Signer struct {
	Issuer   string // iss; "": none
	Audience string // aud; "": none

	alg     string
	private any
	public  Key
}

// ParseSigner returns a signer with a secret, as in [ParseKey], or with a private key in PEM. Algorithm "" is the usual one for the key.
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

// parsePrivate reads what can sign, and what checks that.
func parsePrivate(text []byte) (private, public any, err error) {
	material, err := parseMaterial(text)
	switch {
	case err == nil:
		secret, ok := material.([]byte)
		if !ok {
			return nil, nil, errors.New("access: this is a public key, with which nothing can be signed; give the private one")
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
		err = fmt.Errorf("%s cannot be read here; write it without a password by openssl pkey -in FILE", block.Type)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("access: the private key: %w", err)
	}
	switch k := private.(type) {
	case *rsa.PrivateKey, *ecdsa.PrivateKey, ed25519.PrivateKey:
		return private, k.(crypto.Signer).Public(), nil
	}
	return nil, nil, fmt.Errorf("access: the private key, a %T, is none of RSA, Ed25519, P-256, P-384 and P-521", private)
}

// Key returns the key that checks the tokens of this signer, pinned to its algorithm.
func (s *Signer) Key() Key { return s.public }

// minted is what is in a token; claims reads it.
type minted struct {
	Issuer   string `json:"iss,omitempty"`
	Audience string `json:"aud,omitempty"`
	Subject  string `json:"sub,omitempty"`
	ID       string `json:"jti"`
	IssuedAt int64  `json:"iat"`
	Expires  *int64 `json:"exp,omitempty"`
	Tidings  struct {
		Publish   []string `json:"publish,omitempty"`
		Subscribe []string `json:"subscribe,omitempty"`
		Admin     bool     `json:"admin,omitempty"`
	} `json:"tidings"`
}

// Mint returns a token that grants g: what [Verifier.Verify] makes of it is g again, with times in whole seconds. Without an ID it has a
// random one, and without a time of issue it is of now.
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
	c.Tidings.Publish, c.Tidings.Subscribe, c.Tidings.Admin = texts(g.Publish), texts(g.Subscribe), g.Admin
	payload, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	if _, err := parseClaims(payload); err != nil {
		return "", fmt.Errorf("access: no hub would accept the token: %w", err)
	}
	header := fmt.Sprintf(`{"alg":%q,"typ":"JWT"}`, s.alg)
	signed := strict.EncodeToString([]byte(header)) + "." + strict.EncodeToString(payload)
	signature, err := methods[s.alg].Sign(signed, s.private)
	if err != nil {
		return "", err
	}
	token := signed + "." + strict.EncodeToString(signature)
	if len(token) > MaxToken {
		return "", fmt.Errorf("access: the token would have %d bytes, and hubs accept %d; grant fewer patterns, or wider ones", len(token), MaxToken)
	}
	return token, nil
}

func texts(patterns []eventlog.Pattern) []string {
	var texts []string
	for _, p := range patterns {
		texts = append(texts, p.String())
	}
	return texts
}
