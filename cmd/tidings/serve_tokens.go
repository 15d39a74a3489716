package main

import (
	"context"
	"net/http"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/hub"
	"github.com/tidings-sse/tidings/internal/wire"
)

// tokens authorises the requests to a hub with keys. It is nil for a hub without keys.
type tokens struct {
	policy  *access.Policy
	sources []hub.TokenSource // besides the Authorization field
}

// fetch starts to fetch the JWKS, if there is one, so that the log shows a wrong URL before the first token arrives. It does not wait. close
// ends the fetch.
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

// authorizer returns the function for [hub.Options], nil for a hub without keys. The function also adds the subject to the request's line in
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

// explainer returns the function for [hub.Options], nil for a hub without keys.
func (t *tokens) explainer() func(context.Context, string) access.Explanation {
	if t == nil {
		return nil
	}
	return t.policy.Explain
}

// revocations returns the set that the hub adds to, nil for a hub without keys.
func (t *tokens) revocations() *access.Revocations {
	if t == nil {
		return nil
	}
	return t.policy.Revocations
}

// sources returns the places of a token besides the Authorization field, in the order in which they are read.
func (f *authFlags) sources() (all []hub.TokenSource) {
	if f.TokenCookie != "" {
		all = append(all, hub.TokenCookie(f.TokenCookie))
	}
	if f.TokenQuery {
		all = append(all, hub.TokenQuery(wire.ParamAccessToken))
	}
	return all
}
