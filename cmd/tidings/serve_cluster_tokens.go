package main

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
)

// markLength is the length of a mark, in bytes. It only has to differ between hubs of one cluster.
const markLength = 8

// tokensMark identifies how a hub checks tokens, for [hub.ClusterOptions]: hubs of a cluster that accept the same tokens have the same mark. Without the
// secret of the cluster it does not help to guess a key. Without a secret it is empty.
//
// The keys of a JWKS change while hubs run, so only its address is part of it.
func (f *authFlags) tokensMark(secret []byte, t *tokens) (string, error) {
	if secret == nil {
		return "", nil
	}
	key, err := hkdf.Key(sha256.New, secret, nil, "tidings cluster 1: how a hub checks tokens", sha256.Size)
	if err != nil {
		return "", err
	}
	h := hmac.New(sha256.New, key)
	if t != nil {
		var digests [][]byte // in any order: --key-file may be repeated in another one
		for _, k := range t.policy.Verifier.Keys {
			digest, err := k.Digest(key)
			if err != nil {
				return "", err
			}
			digests = append(digests, digest)
		}
		slices.SortFunc(digests, bytes.Compare)
		var public []string
		for _, p := range f.Public {
			public = append(public, p.String())
		}
		slices.Sort(public)
		_, _ = fmt.Fprintf(h, "%x %q %q %q %q", digests, f.JWKSURL, f.JWTIssuer, f.JWTAudience, public) // never fails
	}
	return hex.EncodeToString(h.Sum(nil)[:markLength]), nil
}
