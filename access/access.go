// Package access decides what a client may do. It checks a token and returns a [Grant], or a [Refusal] that says why the token is
// not accepted.
//
//	key, err := access.ParseKey(secret) // or a public key, as PEM
//	if err != nil {
//		return err
//	}
//	policy := &access.Policy{Verifier: &access.Verifier{Keys: []access.Key{key}}}
//	grant, err := policy.Grant(ctx, token)
//
// # Promises
//
// The configuration chooses the algorithm, never the token. Each [Key] is pinned to its algorithms when it is made. A token that
// names another algorithm, or is not signed, is refused.
//
// A token is accepted whole or refused. A repeated name, a claim of the wrong type, or an unknown name within the claim "tidings"
// refuses it. Claims are read only after the signature was verified.
//
// A refusal never contains the token or a key. It has one text for the operator's log and another one for the client.
//
// The package opens no file and no connection, and does not handle HTTP. The caller supplies the function that fetches key documents,
// see [NewJWKS]. All types are safe for concurrent use.
//
// # Tokens
//
// A token is a JSON Web Token (RFC 7519) in the compact form of JSON Web Signature (RFC 7515). It has at most 8 KiB and is checked as
// RFC 8725 advises. Besides the registered claims, all optional, it has a claim that lists what it grants:
//
//	{
//	  "sub": "alice",                      the subject; revocations and idempotency keys refer to it
//	  "jti": "0a1b2c",                     the ID of the token, to revoke it alone
//	  "iat": 1795341600,                   issued at; revoking a subject refuses its older tokens
//	  "nbf": 1795341600,                   not valid before
//	  "exp": 1795345200,                   the end; without it the token never expires
//	  "iss": "https://id.example", "aud": "tidings",
//	  "tidings": {
//	    "publish": ["chat"], "subscribe": ["news/**"],
//	    "presence": ["news/live"],         topics at which the bearer may see who is present
//	    "present_data": {"name": "Alice"}, what others see of the bearer there
//	    "admin": false
//	  }
//	}
package access

import (
	"context"
	"slices"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// Policy combines what a hub needs to decide about a client: public topics, the keys for tokens, and revocations. The zero Policy
// grants nothing and refuses every token.
type Policy struct {
	Verifier    *Verifier          // nil: every token is refused
	Public      []eventlog.Matcher // topics to which every client may subscribe, with or without a token
	Revocations *Revocations       // nil: none
}

// Grant returns what the bearer of a token may do. Without a token ("") the grant has only the public topics, possibly none. A token
// that is not accepted is an error even for public topics, so that its sender learns of the mistake. The error is a *[Refusal].
func (p *Policy) Grant(ctx context.Context, token string) (Grant, error) {
	g, _, err := p.grant(ctx, token)
	return g, err
}

// grant is Grant. It also names the key that signed the token, once it is known.
func (p *Policy) grant(ctx context.Context, token string) (Grant, *SigningKey, error) {
	if token == "" {
		return Grant{Subscribe: slices.Clip(p.Public)}, nil, nil
	}
	if p.Verifier == nil {
		return Grant{}, nil, refuse(UnknownKey, notOurs, "no key is configured to check tokens")
	}
	g, by, err := p.Verifier.verify(ctx, token)
	if err != nil {
		return Grant{}, by, err
	}
	if at, revoked := p.Revocations.Revoked(g); revoked {
		return Grant{}, by, refuse(Revoked, "the token was revoked",
			"tokens issued to %.100q up to %s are revoked; this token, %.100q, was issued at %s", g.Subject, clock(at), g.ID, clock(g.IssuedAt))
	}
	g.Subscribe = slices.Concat(g.Subscribe, p.Public)
	return g, by, nil
}

// clock formats a time for a refusal.
func clock(t time.Time) string {
	if t.IsZero() {
		return "an unknown time"
	}
	return t.UTC().Format(time.RFC3339)
}
