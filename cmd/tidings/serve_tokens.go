package main

import (
	"context"
	"net/http"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/hub"
	"github.com/tidings-sse/tidings/internal/wire"
)

// tokens is how a hub with keys authorises requests. Nil is a hub without keys.
type tokens struct {
	policy  *access.Policy
	sources []hub.TokenSource // besides the Authorization field
}

// fetch fetches the published keys, if there are any to be fetched, so that the operator learns of a wrong URL before the users do: the
// key set logs what fails. It does not wait. close ends it.
func (t *tokens) fetch(ctx context.Context) {
	if t != nil && t.policy.Verifier.JWKS != nil {
		go func() { _ = t.policy.Verifier.JWKS.Refresh(ctx) }()
	}
}

func (t *tokens) close() {
	if t != nil && t.policy.Verifier.JWKS != nil {
		t.policy.Verifier.JWKS.Close()
	}
}

// authorizer returns the function for [hub.Options], nil if every client may do everything. It notes the subject for the request's line in
// the log.
func (t *tokens) authorizer() func(*http.Request) (access.Grant, error) {
	if t == nil {
		return nil
	}
	authorize := hub.Tokens(t.policy, t.sources...)
	return func(r *http.Request) (access.Grant, error) {
		grant, err := authorize(r)
		if line := lineOf(r.Context()); line != nil && err == nil {
			line.subject = grant.Subject
		}
		return grant, err
	}
}

// revocations returns the set that the hub adds to, nil for a hub without keys.
func (t *tokens) revocations() *access.Revocations {
	if t == nil {
		return nil
	}
	return t.policy.Revocations
}

// sources are the places of a token besides the Authorization field, in the order in which they are read.
func (f *authFlags) sources() (all []hub.TokenSource) {
	if f.TokenCookie != "" {
		all = append(all, hub.TokenCookie(f.TokenCookie))
	}
	if f.TokenQuery {
		all = append(all, hub.TokenQuery(wire.ParamAccessToken))
	}
	return all
}
