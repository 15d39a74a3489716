// Package access says who may do what: a token goes in, and out comes a [Grant], or a [Refusal] that says why not.
//
//	key, err := access.ParseKey(secret) // or a public key, as PEM
//	if err != nil {
//		return err
//	}
//	policy := &access.Policy{Verifier: &access.Verifier{Keys: []access.Key{key}}}
//	grant, err := policy.Grant(ctx, token)
//
// # What is promised
//
// Nothing in a token decides how it is checked. Each [Key] is pinned to its algorithms when it is made; a token that names another
// is refused, and so is every one that is not signed.
//
// A token is taken as a whole or refused: one with a claim that is there twice, or of the wrong kind, or not known within the claim
// tidings, grants nothing. Its claims are read after its signature was found to be good, and not before.
//
// A refusal never contains the token, nor a key. What is for the operator's log and what a client may hear are different fields.
//
// The package is pure: it opens no file and no connection, and knows nothing of HTTP. Key documents that change come by a function
// of the caller, see [NewJWKS]. Everything in it is safe for concurrent use.
//
// # Tokens
//
// A token is a JSON Web Token (RFC 7519) in the compact form of a JSON Web Signature (RFC 7515), 8 KiB at most, checked as RFC 8725
// advises. Beside the registered claims, all optional, it has one that says what it grants:
//
//	{
//	  "sub": "alice",                      who it is; what is revoked, and what idempotency keys belong to
//	  "jti": "0a1b2c",                     the token's own name, to revoke it alone
//	  "iat": 1795341600,                   when it was made; revoking refuses what is older
//	  "nbf": 1795341600,                   not before
//	  "exp": 1795345200,                   when it ends; without, never
//	  "iss": "https://id.example", "aud": "tidings",
//	  "tidings": {"publish": ["chat"], "subscribe": ["news/**"], "admin": false}
//	}
package access

import (
	"context"
	"slices"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// Policy is what a hub asks: it puts together what is public, who has signed, and what was revoked. The zero Policy grants nothing
// and refuses every token.
type Policy struct {
	Verifier    *Verifier          // nil: every token is refused
	Public      []eventlog.Pattern // what everybody may subscribe to, with a token or without
	Revocations *Revocations       // nil: none
}

// Grant returns what the bearer of a token may do. Without a token, which is "", that is what is public, and may be nothing. A token
// that is not accepted is an error, also where it would not have been needed: whoever sends one wants to know. The error is a
// *[Refusal].
func (p *Policy) Grant(ctx context.Context, token string) (Grant, error) {
	if token == "" {
		return Grant{Subscribe: slices.Clip(p.Public)}, nil
	}
	if p.Verifier == nil {
		return Grant{}, refuse(UnknownKey, notOurs, "no key is configured to check tokens with")
	}
	g, err := p.Verifier.Verify(ctx, token)
	if err != nil {
		return Grant{}, err
	}
	if at, revoked := p.Revocations.Revoked(g); revoked {
		return Grant{}, refuse(Revoked, "the token was revoked",
			"what was issued to %.100q up to %s is revoked; this token, %.100q, is of %s", g.Subject, clock(at), g.ID, clock(g.IssuedAt))
	}
	g.Subscribe = slices.Concat(g.Subscribe, p.Public)
	return g, nil
}

// clock writes a time for people.
func clock(t time.Time) string {
	if t.IsZero() {
		return "an unknown time"
	}
	return t.UTC().Format(time.RFC3339)
}
