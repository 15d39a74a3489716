package hub

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/internal/wire"
)

// Tokens returns a function for [Options.Authorize] that gets the grant for the token of a request from a policy.
//
// The token is in the Authorization field, as Bearer (RFC 6750, section 2.1). If there is none, the other sources are tried in order:
//
//	hub.Tokens(policy, hub.TokenCookie("session"), hub.TokenQuery("access_token"))
//
// A request without a token gets the public topics of the policy. A request with a token that the policy refuses is refused, even if
// another source has a valid one. The hub answers 401 with the public reason, or 503 while keys cannot be fetched, and logs the full reason.
//
// Set [Options.Revocations] to the Revocations of the policy, so that a revocation both refuses tokens and ends streams.
func Tokens(policy *access.Policy, others ...TokenSource) func(*http.Request) (access.Grant, error) {
	return func(r *http.Request) (access.Grant, error) {
		token, err := tokenOf(r, others)
		if err != nil {
			return access.Grant{}, err
		}
		return policy.Grant(r.Context(), token)
	}
}

// TokenSource returns a token from a part of a request, "" if there is none.
type TokenSource func(*http.Request) string

// TokenCookie returns a source that reads a cookie. Pages need it, because EventSource cannot set the Authorization field. Pages of other
// origins may not publish or administer with a cookie, unless [Options.AllowOrigins] names the origin.
func TokenCookie(name string) TokenSource {
	return func(r *http.Request) string {
		cookie, err := r.Cookie(name)
		if err != nil {
			return ""
		}
		return cookie.Value
	}
}

// TokenQuery returns a source that reads a parameter of the URL; RFC 6750, section 2.3 calls it access_token. Proxies may log the URL, so
// prefer a cookie.
func TokenQuery(name string) TokenSource {
	return func(r *http.Request) string {
		for part := range strings.SplitSeq(r.URL.RawQuery, "&") {
			rawName, rawValue, _ := strings.Cut(part, "=")
			if param, err := url.QueryUnescape(rawName); err != nil || param != name {
				continue
			}
			if token, err := url.QueryUnescape(rawValue); err == nil {
				return token
			}
			return rawValue // the policy refuses it, because it contains a percent sign
		}
		return ""
	}
}

// tokenOf returns the token of a request, "" if it has none.
func tokenOf(r *http.Request, others []TokenSource) (string, error) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	token = strings.TrimSpace(token)
	switch {
	case scheme == "" || strings.EqualFold(scheme, "Basic"): // Basic may be for a proxy
	case strings.EqualFold(scheme, "Bearer") && token != "":
		return token, nil
	default:
		return "", NewProblem(http.StatusUnauthorized, wire.ProblemUnauthorized,
			"the Authorization field is invalid; write the word Bearer, a space, and the token")
	}
	for _, source := range others {
		if token := source(r); token != "" {
			return token, nil
		}
	}
	if TokenQuery(wire.ParamAccessToken)(r) != "" {
		return "", NewProblem(http.StatusBadRequest, wire.ProblemInvalidRequest,
			"the hub does not accept the parameter %s; send the token in the Authorization field", wire.ParamAccessToken)
	}
	return "", nil
}
