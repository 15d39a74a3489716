package access

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
)

// Key verifies signatures, only with the algorithms that it is pinned to.
type Key struct {
	id       string   // the kid in a JWKS; "": the key is tried on every token
	algs     []string // never empty
	material any      // []byte, *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey
}

// Algorithms returns the algorithms that the key is pinned to.
func (k Key) Algorithms() []string { return slices.Clone(k.algs) }

// Digest returns a value that is the same for equal keys with the same algorithms, 32 bytes. It reveals the key to nobody without the secret.
func (k Key) Digest(secret []byte) ([]byte, error) {
	der, isSecret := k.material.([]byte)
	if !isSecret {
		var err error
		if der, err = x509.MarshalPKIXPublicKey(k.material); err != nil {
			return nil, err
		}
	}
	h := hmac.New(sha256.New, secret)
	_, _ = fmt.Fprintf(h, "%q %q %t ", k.id, k.algs, isSecret) // never fails
	_, _ = h.Write(der)
	return h.Sum(nil), nil
}

// signed reports whether the token's signature was made with this key.
func (k Key) signed(t *parts) bool {
	return slices.Contains(k.algs, t.alg) && methods[t.alg].Verify(t.signed, t.signature, k.material) == nil
}

// methods are the supported algorithms: RFC 7518, section 3.1; RFC 8037; and RFC 9864, which names EdDSA with Ed25519 "Ed25519".
var methods = map[string]jwt.SigningMethod{
	"HS256": jwt.SigningMethodHS256, "HS384": jwt.SigningMethodHS384, "HS512": jwt.SigningMethodHS512,
	"RS256": jwt.SigningMethodRS256, "RS384": jwt.SigningMethodRS384, "RS512": jwt.SigningMethodRS512,
	"PS256": jwt.SigningMethodPS256, "PS384": jwt.SigningMethodPS384, "PS512": jwt.SigningMethodPS512,
	"ES256": jwt.SigningMethodES256, "ES384": jwt.SigningMethodES384, "ES512": jwt.SigningMethodES512,
	"EdDSA": jwt.SigningMethodEdDSA, "Ed25519": jwt.SigningMethodEdDSA,
}

// Sizes of keys: a secret is at least as long as the hash (RFC 7518, section 3.2), an RSA key has at least 2,048 bits (section 3.3).
// Verifying with more than 8,192 bits is so slow that tokens could overload the hub.
const (
	minSecret = 32
	minRSA    = 2048
	maxRSA    = 8192
)

// ParseKey reads a key from the text of a file or an environment variable: a public key in PEM, or a secret. A secret is the whole
// text without the line end after it, at least 32 bytes. A secret that can be guessed gives [ErrWeakSecret], a private key
// [ErrPrivate].
//
// The key is pinned to the given algorithms, or without any to the usual one of its type. That is HS256 for a secret, RS256 for RSA, and
// ES256, ES384 or ES512 for P-256, P-384 or P-521. For Ed25519 it is EdDSA, also under its newer name Ed25519.
func ParseKey(text []byte, algorithms ...string) (Key, error) {
	material, err := parseMaterial(text)
	if err != nil {
		return Key{}, err
	}
	return newKey(material, algorithms)
}

// newKey pins a key to algorithms.
func newKey(material any, algorithms []string) (Key, error) {
	kind, fit, usual, err := kindOf(material)
	if err != nil {
		return Key{}, err
	}
	if len(algorithms) == 0 {
		return Key{algs: fit[:usual], material: material}, nil
	}
	for _, alg := range algorithms {
		switch {
		case methods[alg] == nil:
			return Key{}, fmt.Errorf("access: unknown algorithm %q; %s goes with %s", alg, kind, strings.Join(fit, ", "))
		case !slices.Contains(fit, alg):
			return Key{}, fmt.Errorf("access: the key is %s, which goes with %s, not with %s", kind, strings.Join(fit, ", "), alg)
		case isSecret(alg) && len(material.([]byte)) < secretSize(alg):
			return Key{}, fmt.Errorf("%w: it has %d bytes, and %s needs %d", ErrWeakSecret, len(material.([]byte)), alg, secretSize(alg))
		}
	}
	return Key{algs: slices.Clone(algorithms), material: material}, nil
}

// isSecret reports whether the key of an algorithm is a secret, which both signs and verifies.
func isSecret(alg string) bool { return strings.HasPrefix(alg, "HS") }

// publicAlgorithms returns the algorithms with public keys, sorted.
func publicAlgorithms() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(methods)), isSecret)
}

// secretSize returns the minimum length of the secret of an algorithm, in bytes.
func secretSize(alg string) int { return methods[alg].(*jwt.SigningMethodHMAC).Hash.Size() }

// kindOf returns the type of a key, the algorithms that fit it, and how many of these, from the first, are the default.
func kindOf(material any) (kind string, fit []string, usual int, err error) {
	switch k := material.(type) {
	case []byte:
		if len(k) < minSecret {
			return "", nil, 0, fmt.Errorf("%w: it has %d bytes, and needs at least %d", ErrWeakSecret, len(k), minSecret)
		}
		if why := guessable(k); why != "" {
			return "", nil, 0, fmt.Errorf("%w: it %s", ErrWeakSecret, why)
		}
		return "a secret", []string{"HS256", "HS384", "HS512"}, 1, nil
	case *rsa.PublicKey:
		if n := k.N.BitLen(); n < minRSA || n > maxRSA {
			return "", nil, 0, fmt.Errorf("access: the RSA key has %d bits; it must have %d to %d", n, minRSA, maxRSA)
		}
		return "an RSA key", []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}, 1, nil
	case ed25519.PublicKey:
		return "an Ed25519 key", []string{"EdDSA", "Ed25519"}, 2, nil
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256():
			return "a P-256 key", []string{"ES256"}, 1, nil
		case elliptic.P384():
			return "a P-384 key", []string{"ES384"}, 1, nil
		case elliptic.P521():
			return "a P-521 key", []string{"ES512"}, 1, nil
		}
	}
	return "", nil, 0, fmt.Errorf("access: unsupported key, a %T; use RSA, Ed25519, P-256, P-384 or P-521", material)
}

// minDistinct is the minimum number of different bytes in a secret. Of 32 random bytes, raw or in hexadecimal, fewer than one in 10^14
// has less than 8.
const minDistinct = 8

// guessable says why a secret is not random: a placeholder, a file of zeros, a repeated word. It finds only obvious mistakes; a
// sentence is accepted. It returns "" for a secret that it accepts.
func guessable(secret []byte) string {
	var seen [256]bool
	distinct := 0
	steps := make(map[byte]int) // differences between neighbouring bytes
	for i, c := range secret {
		if !seen[c] {
			seen[c] = true
			distinct++
		}
		if i > 0 {
			steps[c-secret[i-1]]++
		}
	}
	switch {
	case distinct == 1:
		return "repeats one byte"
	case distinct < minDistinct:
		return fmt.Sprintf("has only %d different bytes", distinct)
	}
	for period := 1; period <= len(secret)/2; period++ {
		if bytes.Equal(secret[period:], secret[:len(secret)-period]) {
			return fmt.Sprintf("repeats the same %d bytes", period)
		}
	}
	for _, n := range steps {
		if n > len(secret)*3/4 {
			return "is a sequence, such as 12345"
		}
	}
	return ""
}

// parseMaterial reads a secret or a public key.
//
// A public key must never be accepted as a secret, because then every holder of the public key could sign tokens. So a text is refused if it is a
// public key in a common form other than PEM.
func parseMaterial(text []byte) (any, error) {
	block, err := onlyBlock(text)
	switch {
	case err != nil:
		return nil, err
	case block == nil && looksPublic(text):
		return nil, errors.New("access: this is a public key or a key set, not a secret; give a public key as PEM, which begins with -----BEGIN PUBLIC KEY-----")
	case block == nil:
		return bytes.TrimRight(text, "\r\n"), nil
	}
	var key any
	switch block.Type {
	case "PUBLIC KEY":
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		return nil, errors.New("access: this is a certificate; extract its public key with openssl x509 -noout -pubkey -in FILE")
	default:
		if strings.HasSuffix(block.Type, "PRIVATE KEY") {
			return nil, ErrPrivate
		}
		return nil, fmt.Errorf("access: the PEM block is %.40q, not a public key", block.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("access: reading the public key: %w", err)
	}
	return key, nil
}

var (
	// ErrPrivate is returned for a private key where the public key is enough.
	ErrPrivate = errors.New("access: this is a private key; tokens are checked with the public key, which openssl pkey -in FILE -pubout prints")

	// ErrWeakSecret is wrapped by the error for a secret that is too short or can be guessed.
	ErrWeakSecret = errors.New("access: weak secret")
)

// onlyBlock returns the one PEM block of a text, or nil if the text is not PEM. It skips comments, and the curve parameters that OpenSSL
// writes before a key.
func onlyBlock(text []byte) (*pem.Block, error) {
	if !bytes.Contains(text, []byte("-----BEGIN")) {
		return nil, nil
	}
	var blocks []*pem.Block
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "EC PARAMETERS" {
			blocks = append(blocks, block)
		}
	}
	if len(blocks) != 1 {
		return nil, fmt.Errorf("access: the text has %d complete PEM blocks; it must have exactly one key", len(blocks))
	}
	return blocks[0], nil
}

// looksPublic reports whether a text contains a public key in another form than PEM: a JWKS, a line of SSH, DER, or the base64 of a PEM
// block without its first and last line.
func looksPublic(text []byte) bool {
	text = bytes.TrimSpace(text)
	if bytes.HasPrefix(text, []byte("{")) && utf8.Valid(text) { // random bytes are not
		return true
	}
	if kind, _, ok := bytes.Cut(text, []byte(" ")); ok && (bytes.HasPrefix(kind, []byte("ssh-")) || bytes.HasPrefix(kind, []byte("ecdsa-sha2-"))) {
		return true // a secret in base64 may begin with ssh-, and has no space
	}
	der := text
	if decoded, err := base64.StdEncoding.DecodeString(string(text)); err == nil {
		der = decoded
	}
	if _, err := x509.ParsePKIXPublicKey(der); err == nil {
		return true
	}
	if _, err := x509.ParsePKCS1PublicKey(der); err == nil {
		return true
	}
	_, err := x509.ParseCertificate(der)
	return err == nil
}
