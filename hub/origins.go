package hub

import (
	"fmt"
	"net/url"
	"strings"
)

// CheckOrigin returns an error if an origin is not valid in [Options.AllowOrigins], because browsers never send it in that form (RFC 6454,
// section 6.2): without a scheme, or with a path, a final slash, or the default port of the scheme. The error contains the valid form. "*"
// stands for all origins, and "null" for pages without an origin, such as local files.
func CheckOrigin(origin string) error {
	if origin == "*" || origin == "null" {
		return nil
	}
	scheme, rest, found := strings.Cut(origin, "://")
	if !found {
		scheme, rest = "https", strings.TrimLeft(origin, "/")
		if begin, after, ok := strings.Cut(origin, ":/"); ok { // a slash is missing
			scheme, rest = begin, after
		}
		if host, _, _ := strings.Cut(rest, ":"); host == "localhost" || host == "127.0.0.1" {
			scheme = "http"
		}
	}
	u, err := url.Parse(scheme + "://" + rest)
	switch {
	case origin == "" || strings.ContainsAny(origin, " ,;\t\n") || err != nil || u.Hostname() == "":
		return fmt.Errorf("%q is not an origin such as https://example.com; list each origin separately", origin)
	case strings.Contains(origin, "*"):
		return fmt.Errorf("%q contains a wildcard, which never matches; list each origin, or use * for all", origin)
	case strings.ContainsFunc(u.Host, func(r rune) bool { return r > '~' }):
		return fmt.Errorf("%q never matches: browsers send the host in ASCII, as xn--…", origin)
	}
	right := scheme + "://" + strings.TrimSuffix(u.Host, ":")
	if port := u.Port(); u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" { // url.Parse converts the scheme to lower case
		right = strings.TrimSuffix(right, ":"+port)
	}
	if right != origin {
		return fmt.Errorf("%q never matches: browsers send %s, without a path", origin, right)
	}
	return nil
}
