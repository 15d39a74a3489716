package hub

import (
	"fmt"
	"net/url"
	"strings"
)

// CheckOrigin returns an error if an origin in [Options.AllowOrigins] is one that no browser sends (RFC 6454, section 6.2), so that it would
// never match: it has no scheme, a path, a slash at its end, or the port that its scheme has anyway. The error says the right form. "*" is for
// all origins, and "null" for pages that have none of their own, such as files.
func CheckOrigin(origin string) error {
	if origin == "*" || origin == "null" {
		return nil
	}
	scheme, rest, found := strings.Cut(origin, "://")
	if !found {
		scheme, rest = "https", strings.TrimLeft(origin, "/")
		if begin, after, ok := strings.Cut(origin, ":/"); ok { // a slash was forgotten
			scheme, rest = begin, after
		}
		if host, _, _ := strings.Cut(rest, ":"); host == "localhost" || host == "127.0.0.1" {
			scheme = "http"
		}
	}
	u, err := url.Parse(scheme + "://" + rest)
	switch {
	case origin == "" || strings.ContainsAny(origin, " ,;\t\n") || err != nil || u.Hostname() == "":
		return fmt.Errorf("%q is no origin such as https://example.com; each is said on its own", origin)
	case strings.Contains(origin, "*"):
		return fmt.Errorf("%q would match only itself: an origin has no wildcards; name each, or say * for all", origin)
	case strings.ContainsFunc(u.Host, func(r rune) bool { return r > '~' }):
		return fmt.Errorf("%q would never match: browsers send such a name in ASCII, as xn--…", origin)
	}
	right := scheme + "://" + strings.TrimSuffix(u.Host, ":")
	if port := u.Port(); u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" { // url.Parse lowers the scheme
		right = strings.TrimSuffix(right, ":"+port)
	}
	if right != origin {
		return fmt.Errorf("%q would never match: browsers send %s, without a path", origin, right)
	}
	return nil
}
