package access

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
)

// jwk is a public JSON Web Key (RFC 7517; RFC 7518, section 6; RFC 8037).
type jwk struct {
	Kty string   `json:"kty"`
	Use string   `json:"use"`
	Ops []string `json:"key_ops"`
	Alg string   `json:"alg"`
	Kid string   `json:"kid"`
	Crv string   `json:"crv"`
	N   string   `json:"n"`
	E   string   `json:"e"`
	X   string   `json:"x"`
	Y   string   `json:"y"`
	D   string   `json:"d"` // only private keys have it
}

// Limits of a key document.
const (
	maxDocument = 1 << 20 // bytes
	maxKeys     = 64
)

// parseJWKS returns the keys of a JWKS document that can check tokens, and an error for each other signature key. A key is pinned to
// the given algorithms as far as they fit it; without any, to the algorithm that the document names or the usual one of its type.
func parseJWKS(doc []byte, algorithms []string) (keys []Key, skipped []error, err error) {
	if len(doc) > maxDocument {
		return nil, nil, fmt.Errorf("the key document has %d bytes; the limit is %d", len(doc), maxDocument)
	}
	var set struct {
		Keys []jwk `json:"keys"`
	}
	if err := explain(json.Unmarshal(doc, &set)); err != nil {
		return nil, nil, fmt.Errorf("the key document is not a JWKS: %w", err)
	}
	if len(set.Keys) > maxKeys {
		return nil, nil, fmt.Errorf("the key document has %d keys; the limit is %d", len(set.Keys), maxKeys)
	}
	for i, j := range set.Keys {
		if j.Use == "enc" || len(j.Ops) > 0 && !slices.Contains(j.Ops, "verify") {
			continue // not a key for signatures
		}
		key, err := j.key(algorithms)
		if err != nil {
			skipped = append(skipped, fmt.Errorf("key %d (kid %.100q) of the key document is not used: %w", i+1, j.Kid, err))
			continue
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, nil, errors.Join(append([]error{errors.New("the key document has no key that can check tokens")}, skipped...)...)
	}
	return keys, skipped, nil
}

// key returns the key pinned to its algorithms. It refuses symmetric keys: a secret that can be downloaded is not secret.
func (j *jwk) key(algorithms []string) (Key, error) {
	if j.D != "" {
		return Key{}, errors.New("it is a private key, and everyone who can read the document can sign tokens with it; publish only the public key")
	}
	material, err := j.material()
	if err != nil {
		return Key{}, err
	}
	_, fit, usual, err := kindOf(material)
	if err != nil {
		return Key{}, err
	}
	pins := fit[:usual]
	if len(algorithms) > 0 {
		pins = fit
	}
	if j.Alg != "" {
		pins = []string{j.Alg}
	}
	pins = slices.DeleteFunc(slices.Clone(pins), func(alg string) bool {
		return !slices.Contains(fit, alg) || len(algorithms) > 0 && !slices.Contains(algorithms, alg)
	})
	if len(pins) == 0 {
		return Key{}, fmt.Errorf("its type is %q and its algorithm is %.20q, which does not go with the configured algorithms: %v", j.Kty, j.Alg, algorithms)
	}
	return Key{id: j.Kid, algs: pins, material: material}, nil
}

func (j *jwk) material() (any, error) {
	switch j.Kty {
	case "RSA":
		return j.rsa()
	case "EC":
		return j.ecdsa()
	case "OKP":
		x, err := octets("x", j.X, ed25519.PublicKeySize)
		if err == nil && j.Crv != "Ed25519" {
			err = fmt.Errorf("its curve, %.20q, is not Ed25519", j.Crv)
		}
		return ed25519.PublicKey(x), err
	}
	return nil, fmt.Errorf("its type, %.20q, is none of RSA, EC and OKP", j.Kty)
}

func (j *jwk) rsa() (*rsa.PublicKey, error) {
	n, err := octets("n", j.N, 0)
	if err != nil {
		return nil, err
	}
	e, err := octets("e", j.E, 4)
	if err != nil {
		return nil, err
	}
	exponent := new(big.Int).SetBytes(e).Int64()
	if exponent < 3 || exponent > 1<<31-1 || exponent%2 == 0 {
		return nil, fmt.Errorf("its exponent, %d, is not valid", exponent)
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(exponent)}, nil
}

var curves = map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}

func (j *jwk) ecdsa() (*ecdsa.PublicKey, error) {
	curve := curves[j.Crv]
	if curve == nil {
		return nil, fmt.Errorf("its curve, %.20q, is none of P-256, P-384 and P-521", j.Crv)
	}
	size := (curve.Params().BitSize + 7) / 8
	x, err := octets("x", j.X, size)
	if err != nil {
		return nil, err
	}
	y, err := octets("y", j.Y, size)
	if err != nil {
		return nil, err
	}
	return ecdsa.ParseUncompressedPublicKey(curve, slices.Concat([]byte{4}, x, y)) // checks that the point is on the curve
}

// octets decodes a number or a coordinate from base64url. With a size it adds the leading zeros that some issuers leave out.
func octets(name, text string, size int) ([]byte, error) {
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "="))
	switch {
	case err != nil:
		return nil, fmt.Errorf("its %s: %w", name, err)
	case len(b) == 0:
		return nil, fmt.Errorf("it has no %s", name)
	case size == 0:
		return b, nil
	case len(b) > size:
		return nil, fmt.Errorf("its %s has %d bytes; the limit is %d", name, len(b), size)
	}
	return append(bytes.Repeat([]byte{0}, size-len(b)), b...), nil
}
