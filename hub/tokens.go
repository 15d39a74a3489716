package hub

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/internal/wire"
)

// Tokens returns a function for [Options.Authorize] that asks a policy what the token of a request grants.
//
// The token is in the Authorization field, as Bearer (RFC 6750, section 2.1), or else where the first of the other sources has one:
//
//	hub.Tokens(policy, hub.TokenCookie("session"), hub.TokenQuery("access_token"))
//
// A request without a token gets the public topics of the policy. A request with a token that the policy refuses is refused, even if
// another source has a good one. The hub answers 401 with the public reason, or 503 while keys cannot be fetched, and logs the exact
// reason.
//
// Give [Options.Revocations] those of the policy, so that a revocation refuses tokens and ends streams alike.
func Tokens(policy *access.Policy, others ...TokenSource) func(*http.Request) (access.Grant, error) {
	return func(r *http.Request) (access.Grant, error) {
		token, err := tokenOf(r, others)
		if err != nil {
			return access.Grant{}, err
		}
		return policy.Grant(r.Context(), token)
	}
}

// TokenSource returns the token in one part of a request, "" if there is none.
type TokenSource func(*http.Request) string

// TokenCookie returns the source that reads a cookie. It is for pages: EventSource cannot set the Authorization field. The hub refuses
// publishing and administration with a cookie from pages of other origins, unless [Options.AllowOrigins] names them.
func TokenCookie(name string) TokenSource {
	return func(r *http.Request) string {
		cookie, err := r.Cookie(name)
		if err != nil {
			return ""
		}
		return cookie.Value
	}
}

// TokenQuery returns the source that reads a parameter of the URL; RFC 6750, section 2.3 calls it access_token. Servers between client and
// hub may log it: prefer a cookie.
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
			return rawValue // no token has a percent sign: the policy refuses it
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
		return "", problem(http.StatusUnauthorized, wire.ProblemUnauthorized,
			"the field Authorization is not understood; write the word Bearer, a space, and the token")
	}
	for _, source := range others {
		if token := source(r); token != "" {
			return token, nil
		}
	}
	if TokenQuery(wire.ParamAccessToken)(r) != "" {
		return "", problem(http.StatusBadRequest, wire.ProblemInvalidRequest,
			"the parameter %s is not accepted here; send the token in the field Authorization", wire.ParamAccessToken)
	}
	return "", nil
}
