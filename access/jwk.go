package access

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// jwk is a JSON Web Key (RFC 7517; RFC 7518, section 6; RFC 8037) as far as it is a public one.
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
	D   string   `json:"d"` // only in a private one
}

// Bounds of a key document.
const (
	maxDocument = 1 << 20 // bytes
	maxKeys     = 64
)

// parseJWKS returns the keys of a JWKS document that tokens can be checked with, pinned to algorithms, by default to the one that the
// key names or the usual one of its kind; and why others are left out.
func parseJWKS(doc []byte, algorithms []string) (keys []Key, left []error, err error) {
	if len(doc) > maxDocument {
		return nil, nil, fmt.Errorf("the key document has %d bytes; %d are the most", len(doc), maxDocument)
	}
	var set struct {
		Keys []jwk `json:"keys"`
	}
	if err := json.Unmarshal(doc, &set); err != nil {
		return nil, nil, fmt.Errorf("the key document is no JWKS: %w", err)
	}
	if len(set.Keys) > maxKeys {
		return nil, nil, fmt.Errorf("the key document has %d keys; %d are the most", len(set.Keys), maxKeys)
	}
	for i, j := range set.Keys {
		if j.Use == "enc" || len(j.Ops) > 0 && !slices.Contains(j.Ops, "verify") {
			continue // it is not for signatures, as it says
		}
		key, err := j.key(algorithms)
		if err != nil {
			left = append(left, fmt.Errorf("key %d (kid %.100q) of the key document is not used: %w", i+1, j.Kid, err))
			continue
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, nil, errors.Join(append([]error{errors.New("the key document has no key that tokens could be checked with")}, left...)...)
	}
	return keys, left, nil
}

// key returns the key, pinned. A symmetric one is never taken: a secret that can be fetched is none.
func (j *jwk) key(algorithms []string) (Key, error) {
	if j.D != "" {
		return Key{}, errors.New("it is a private key, which everybody who reads the document can now sign with")
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
		return Key{}, fmt.Errorf("its algorithm, %.20q, and its kind, %q, leave nothing of what is wanted: %v", j.Alg, j.Kty, algorithms)
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
	return nil, fmt.Errorf("its kind, %.20q, is none of RSA, EC and OKP", j.Kty)
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
		return nil, fmt.Errorf("its exponent, %d, cannot be one", exponent)
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
	return ecdsa.ParseUncompressedPublicKey(curve, slices.Concat([]byte{4}, x, y)) // refuses what is not on the curve
}

// octets reads a number or a point in base64url. With a size it is filled up with zeros in front, which some leave out.
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
		return nil, fmt.Errorf("its %s has %d bytes; %d are the most", name, len(b), size)
	}
	return append(bytes.Repeat([]byte{0}, size-len(b)), b...), nil
}
