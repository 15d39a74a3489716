package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/hub"
)

// tokens finds the token of a request, and what it grants. Nil is a hub without keys.
type tokens struct {
	policy *access.Policy
	cookie string // that has a token; "": none
	query  bool   // whether the query may have one
	logger *slog.Logger
}

func (t *tokens) close() {
	if t != nil && t.policy.Verifier.JWKS != nil {
		t.policy.Verifier.JWKS.Close()
	}
}

// authorizer returns what the hub asks, nil if everybody may do everything.
func (t *tokens) authorizer() func(*http.Request) (access.Grant, error) {
	if t == nil {
		return nil
	}
	return t.authorize
}

// revocations returns what the hub adds to, nil if there are no tokens to be revoked.
func (t *tokens) revocations() *access.Revocations {
	if t == nil {
		return nil
	}
	return t.policy.Revocations
}

// authorize says what the sender of a request may do. Why a token is refused is for the log; the client hears what it may know.
func (t *tokens) authorize(r *http.Request) (access.Grant, error) {
	token, err := t.of(r)
	if err != nil {
		return access.Grant{}, err
	}
	grant, err := t.policy.Grant(r.Context(), token)
	if refusal, ok := errors.AsType[*access.Refusal](err); ok {
		who := senderOf(r)
		t.logger.Info("token refused", "id", who.id, "remote", who.remote, "reason", refusal.Reason, "why", refusal.Detail)
		return grant, refusalProblem(refusal)
	}
	senderOf(r).subject = grant.Subject
	return grant, err
}

// refusalProblem is what a client hears of a refusal.
func refusalProblem(refusal *access.Refusal) *hub.Problem {
	p := &hub.Problem{Name: "unauthorized", Status: http.StatusUnauthorized, Detail: refusal.Public, Err: refusal}
	if refusal.Temporary() {
		p.Name, p.Status, p.RetryAfter = "unavailable", http.StatusServiceUnavailable, 5*time.Second
	}
	return p
}

// of returns the token of a request, "" if it has none: that of the Authorization field (RFC 6750, section 2.1), else the cookie,
// else the query.
func (t *tokens) of(r *http.Request) (string, error) {
	if field := r.Header.Get("Authorization"); field != "" {
		scheme, token, _ := strings.Cut(field, " ")
		token = strings.TrimSpace(token)
		switch {
		case strings.EqualFold(scheme, "Bearer") && token != "":
			return token, nil
		case !strings.EqualFold(scheme, "Basic"): // which may be for a proxy
			return "", &hub.Problem{
				Name: "unauthorized", Status: http.StatusUnauthorized,
				Detail: "the field Authorization is not understood; write the word Bearer, a space, and the token",
			}
		}
	}
	if t.cookie != "" {
		if cookie, err := r.Cookie(t.cookie); err == nil && cookie.Value != "" {
			return cookie.Value, nil
		}
	}
	token, _ := r.Context().Value(queryToken{}).(string)
	return token, nil
}

type queryToken struct{} // of the token that was in a request's query

// takeFromQuery takes the token out of a request's query, if it may be there, so that nobody after that can log or repeat it.
func (t *tokens) takeFromQuery(r *http.Request) {
	if t == nil || !t.query {
		return
	}
	if token, rest, ok := cutToken(r.URL.RawQuery); ok {
		*r = *r.WithContext(context.WithValue(r.Context(), queryToken{}, token))
		r.URL.RawQuery = rest
		r.RequestURI = r.URL.RequestURI()
	}
}

// cutToken returns the token in a query, and the query without it, otherwise as it was.
func cutToken(query string) (token, rest string, ok bool) {
	var others []string
	for part := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(part, "=")
		if name != queryParameter {
			others = append(others, part)
			continue
		}
		token, ok = value, true // it is of characters that are never escaped
	}
	return token, strings.Join(others, "&"), ok
}

// queryParameter is that of RFC 6750, section 2.3.
const queryParameter = "access_token"
