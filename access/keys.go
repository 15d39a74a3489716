package access

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// Key checks signatures, with the algorithms that it is pinned to and no other.
type Key struct {
	id       string   // in a JWKS; "" fits every token
	algs     []string // never empty
	material any      // []byte, *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey
}

// Algorithms returns what the key is pinned to.
func (k Key) Algorithms() []string { return slices.Clone(k.algs) }

// signed reports whether the key has signed a token.
func (k Key) signed(t *parts) bool {
	return slices.Contains(k.algs, t.alg) && methods[t.alg].Verify(t.signed, t.signature, k.material) == nil
}

// methods are the algorithms: RFC 7518, section 3.1, RFC 8037, and RFC 9864, which gives EdDSA with Ed25519 the name of the latter.
var methods = map[string]jwt.SigningMethod{
	"HS256": jwt.SigningMethodHS256, "HS384": jwt.SigningMethodHS384, "HS512": jwt.SigningMethodHS512,
	"RS256": jwt.SigningMethodRS256, "RS384": jwt.SigningMethodRS384, "RS512": jwt.SigningMethodRS512,
	"PS256": jwt.SigningMethodPS256, "PS384": jwt.SigningMethodPS384, "PS512": jwt.SigningMethodPS512,
	"ES256": jwt.SigningMethodES256, "ES384": jwt.SigningMethodES384, "ES512": jwt.SigningMethodES512,
	"EdDSA": jwt.SigningMethodEdDSA, "Ed25519": jwt.SigningMethodEdDSA,
}

// The sizes of keys. Secrets are those of RFC 7518, section 3.2: as long as the hash. RSA from 2,048 bits is section 3.3; above 8,192 a
// check takes so long that somebody could keep the hub busy with it.
const (
	minSecret = 32
	minRSA    = 2048
	maxRSA    = 8192
)

// ParseKey returns the key in a file or a variable of the environment: a public key in PEM, or else a secret, which is all of the text
// but a line end behind it. A secret has 32 bytes or more.
//
// A key is pinned to algorithms, which by default is the usual one of its kind: HS256 for a secret, RS256 for RSA, ES256, ES384
// or ES512 as the curve says, and EdDSA for Ed25519, also by its newer name Ed25519.
func ParseKey(text []byte, algorithms ...string) (Key, error) {
	material, err := parseMaterial(text)
	if err != nil {
		return Key{}, err
	}
	return newKey(material, algorithms)
}

// newKey pins a key.
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
			return Key{}, fmt.Errorf("access: there is no algorithm %q; for %s there are %s", alg, kind, strings.Join(fit, ", "))
		case !slices.Contains(fit, alg):
			return Key{}, fmt.Errorf("access: the key is %s, which goes with %s, and not with %s", kind, strings.Join(fit, ", "), alg)
		case isSecret(alg) && len(material.([]byte)) < secretSize(alg):
			return Key{}, fmt.Errorf("access: the secret has %d bytes, and %s needs %d; tidings token key makes one", len(material.([]byte)), alg, secretSize(alg))
		}
	}
	return Key{algs: slices.Clone(algorithms), material: material}, nil
}

// isSecret reports whether an algorithm is one of those whose key signs and checks.
func isSecret(alg string) bool { return strings.HasPrefix(alg, "HS") }

func publicAlgorithms() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(methods)), isSecret)
}

// secretSize is how long the secret of an algorithm is at least, in bytes.
func secretSize(alg string) int { return methods[alg].(*jwt.SigningMethodHMAC).Hash.Size() }

// kindOf returns what a key is, the algorithms that it fits, and how many of these, from the first, are the usual ones.
func kindOf(material any) (kind string, fit []string, usual int, err error) {
	switch k := material.(type) {
	case []byte:
		if len(k) < minSecret {
			return "", nil, 0, fmt.Errorf("access: the secret has %d bytes, and with less than %d it can be guessed; tidings token key makes one", len(k), minSecret)
		}
		if why := guessable(k); why != "" {
			return "", nil, 0, fmt.Errorf("access: the secret %s, and can be guessed; tidings token key makes one", why)
		}
		return "a secret", []string{"HS256", "HS384", "HS512"}, 1, nil
	case *rsa.PublicKey:
		if n := k.N.BitLen(); n < minRSA || n > maxRSA {
			return "", nil, 0, fmt.Errorf("access: the RSA key has %d bits, and must have %d to %d", n, minRSA, maxRSA)
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
	return "", nil, 0, fmt.Errorf("access: the key, a %T, is none of RSA, Ed25519, P-256, P-384 and P-521", material)
}

// minDistinct is how many different bytes a secret has at least. One of 32 random bytes, written in hexadecimal or any other way, has more: that it has
// fewer than 8 happens once in 10^14 times.
const minDistinct = 8

// guessable says what is wrong with a secret that was not made at random: placeholders, files of zeros, a word that was repeated until it
// was long enough. It finds only what nobody can have meant; a sentence is accepted.
func guessable(secret []byte) string {
	var seen [256]bool
	distinct := 0
	steps := make(map[byte]int) // from each byte to the next
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
		return "is one byte, repeated"
	case distinct < minDistinct:
		return fmt.Sprintf("has only %d different bytes", distinct)
	}
	for period := 1; period <= len(secret)/2; period++ {
		if bytes.Equal(secret[period:], secret[:len(secret)-period]) {
			return fmt.Sprintf("is %d bytes, repeated", period)
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
// What everybody may know must never become a secret: whoever has it could sign with it. So a text that is, or once was, a public key in
// any usual form is refused if it is not PEM.
func parseMaterial(text []byte) (any, error) {
	block, err := onlyBlock(text)
	switch {
	case err != nil:
		return nil, err
	case block == nil && looksPublic(text):
		return nil, errors.New("access: this is a key that everybody may know, or a set of them, and not a secret; give a public key as PEM, which begins with -----BEGIN PUBLIC KEY-----")
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
		return nil, errors.New("access: this is a certificate; take the public key out of it with openssl x509 -noout -pubkey -in FILE")
	default:
		if strings.HasSuffix(block.Type, "PRIVATE KEY") {
			return nil, ErrPrivate
		}
		return nil, fmt.Errorf("access: this is PEM of a %.40q, and not of a public key", block.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("access: the public key cannot be read: %w", err)
	}
	return key, nil
}

// ErrPrivate is a private key where a public one is enough.
var ErrPrivate = errors.New("access: this is a private key, and to check tokens takes the public one: openssl pkey -in FILE -pubout")

// onlyBlock returns the PEM block of a text, nil if it is no PEM. OpenSSL writes the parameters of a curve in front of a key; what is
// between the blocks is a comment.
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
		return nil, fmt.Errorf("access: there are %d whole PEM blocks in this, and one key is wanted", len(blocks))
	}
	return blocks[0], nil
}

// looksPublic reports whether a text is a public key, or has some, in another form than PEM: a JWKS, a line of SSH, DER, or the
// naked base64 that is between the frame of PEM.
func looksPublic(text []byte) bool {
	text = bytes.TrimSpace(text)
	for _, prefix := range []string{"{", "ssh-", "ecdsa-sha2-"} {
		if bytes.HasPrefix(text, []byte(prefix)) {
			return true
		}
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
