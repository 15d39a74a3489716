// Package address reads the addresses of hubs and streams as people write them. The command line and the Go client share it, so
// that both take the same forms:
//
//	https://hub.example          a hub, or a stream
//	https://example.com/tidings  a hub behind a prefix
//	localhost:3000, [::1]:3000   http:// is meant
//	:3000, 3000                  localhost is meant; the second form is for hubs only
//	unix:/run/tidings.sock       a hub that listens on a socket in the file system
//
// [Is] is the rule that tells an address from a topic on the command line. Topics that look like an address exist: programs
// publish to them, and people name them by a flag.
package address

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/tidings-sse/tidings/internal/wire"
)

// Default is the URL of a hub with default settings.
const Default = "http://localhost:3000"

const unixPrefix = "unix:"

var (
	scheme = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*://`)

	// addresses matches the forms that are never a topic on the command line: a scheme, http: without its slashes, localhost, and a port.
	// Text with several colons has no port, so urn:isbn:3 is a topic.
	addresses = regexp.MustCompile(`^(?i:[a-z][a-z0-9+.-]*://|https?:|unix:|localhost([:/?#]|$)|` +
		`([^/?#@]*@)?(\[[^\]/]*\]|[^/:@?#\[\]]*):[0-9]+([/?#]|$))`)
)

// Is reports whether text is an address rather than a topic: it has a scheme (https://…, unix:…) or a port (host:3000, :3000), or its host
// is localhost. So example.com/news and news.json are topics.
func Is(text string) bool { return addresses.MatchString(text) }

// Parse reads the URL of a stream. It adds a missing scheme or host.
func Parse(text string) (*url.URL, error) {
	given := text
	switch {
	case text == "":
		return nil, errors.New("the URL is empty")
	case strings.HasPrefix(text, "/"):
		return nil, fmt.Errorf("%q is a path without a host", given)
	case strings.HasPrefix(text, unixPrefix):
		return nil, fmt.Errorf("%q is the address of a hub, not of a stream", given)
	case strings.HasPrefix(text, ":"):
		text = "localhost" + text
	}
	if !scheme.MatchString(text) {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil {
		if inner, ok := errors.AsType[*url.Error](err); ok { // its text repeats the URL
			err = inner.Err
		}
		return nil, fmt.Errorf("%q is not a URL: %w", withoutPassword(given), err)
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%q: the scheme of a stream is http:// or https://, not %s://", withoutPassword(given), u.Scheme)
	}
	if strings.EqualFold(u.Host, "http:") || strings.EqualFold(u.Host, "https:") {
		return nil, fmt.Errorf("%q is not a URL: write two slashes after %s", given, u.Host)
	}
	if u.Hostname() == "" {
		return nil, fmt.Errorf("%q names no host", withoutPassword(given))
	}
	if p := u.Port(); p != "" {
		if _, err := strconv.ParseUint(p, 10, 16); err != nil {
			return nil, fmt.Errorf("%q: there is no port %s", withoutPassword(given), p)
		}
	}
	u.Fragment, u.RawFragment = "", "" // never sent
	return u, nil
}

var password = regexp.MustCompile(`^([^/?#@]*://)?([^/?#@:]*):[^/?#@]*@`)

// withoutPassword returns text in which the password of a URL is replaced by an ellipsis.
func withoutPassword(text string) string { return password.ReplaceAllString(text, "$1$2:…@") }

// Hub is the address of a hub.
type Hub struct {
	URL    *url.URL // the part before /events, without a final slash
	Socket string   // the path of the Unix socket; "" for TCP
}

// ParseHub reads the address of a hub; "" is [Default]. It accepts the URL of the hub's /events, too. It refuses the URL of a topic, such as
// …/events/news, which [ParseTopics] reads.
func ParseHub(text string) (Hub, error) {
	if path, ok := strings.CutPrefix(text, unixPrefix); ok {
		if path = strings.TrimPrefix(path, "//"); path == "" {
			return Hub{}, fmt.Errorf("%q names no file", text)
		}
		return Hub{URL: &url.URL{Scheme: "http", Host: "localhost"}, Socket: path}, nil
	}
	if IsPath(text) || strings.HasSuffix(text, ".sock") && !scheme.MatchString(text) {
		return Hub{}, fmt.Errorf("%q is a path; write %s%s for a hub that listens on this socket", text, unixPrefix, text)
	}
	full := text
	switch ip := net.ParseIP(text); {
	case text == "":
		full = Default
	case strings.Trim(text, "0123456789") == "":
		full = ":" + text
	case ip != nil && strings.Contains(text, ":"):
		return Hub{}, fmt.Errorf("%q: write an IPv6 address in brackets, such as %s", text, net.JoinHostPort(text, "3000"))
	}
	u, err := Parse(full)
	if err != nil {
		return Hub{}, err
	}
	if u.RawQuery != "" {
		return Hub{}, fmt.Errorf("%q has a query: it is the URL of a stream, not of a hub", withoutPassword(text))
	}
	setPath(u, strings.TrimSuffix(strings.TrimRight(u.EscapedPath(), "/"), eventsPath))
	if base, _, names := strings.Cut(u.EscapedPath()+"/", eventsPath+"/"); names {
		setPath(u, base)
		return Hub{}, fmt.Errorf("%q names a topic besides the hub, which is %s", withoutPassword(text), Name(u))
	}
	return Hub{URL: u}, nil
}

// IsPath reports whether text is a path relative to the working directory, such as ./hub.sock, and neither an address nor a topic.
func IsPath(text string) bool { return strings.HasPrefix(text, "./") || strings.HasPrefix(text, "../") }

const eventsPath = "/events"

// setPath sets the path of u to a part of its escaped path.
func setPath(u *url.URL, escaped string) {
	escaped = strings.TrimRight(escaped, "/")
	u.Path, _ = url.PathUnescape(escaped) // url.Parse has checked it
	u.RawPath = escaped
}

// ParseTopics reads the address of a hub that may also name topics, such as http://localhost:3000/events/news or
// http://localhost:3000/events?topic=news. The topics are nil if it names none.
func ParseTopics(text string) (h Hub, topics []string, err error) {
	if strings.HasPrefix(text, unixPrefix) {
		h, err = ParseHub(text)
		return h, nil, err
	}
	u, err := Parse(text)
	if err != nil {
		return Hub{}, nil, err
	}
	for name, values := range u.Query() {
		if name != wire.ParamTopic {
			return Hub{}, nil, fmt.Errorf("%q: the only parameter allowed here is topic=, not %s=", withoutPassword(text), name)
		}
		topics = values
	}
	path := u.EscapedPath()
	if base, topic, ok := strings.Cut(path, eventsPath+"/"); ok && topic != "" {
		name, err := topicOf(topic)
		if err != nil {
			return Hub{}, nil, fmt.Errorf("%q: %w", withoutPassword(text), err)
		}
		topics = append([]string{name}, topics...)
		path = base
	}
	u.RawQuery = ""
	setPath(u, strings.TrimSuffix(strings.TrimRight(path, "/"), eventsPath))
	return Hub{URL: u}, topics, nil
}

// topicOf returns the topic in a path, by the rules of a hub.
func topicOf(escaped string) (string, error) {
	topic, err := url.PathUnescape(escaped)
	if err != nil {
		return "", err
	}
	for segment := range strings.SplitSeq(escaped, "/") {
		switch {
		case segment == "" || segment == "." || segment == ".." || strings.Contains(strings.ToUpper(segment), "%2F"):
			return "", fmt.Errorf("a path cannot hold this topic: write /events?topic=%s", url.QueryEscape(topic))
		}
	}
	return topic, nil
}

// String returns the address for display, without a password.
func (h Hub) String() string {
	if h.Socket != "" {
		return unixPrefix + h.Socket
	}
	return Name(h.URL)
}

// Reachable returns the complete address, with a password, for [ParseHub].
func (h Hub) Reachable() string {
	if h.Socket != "" {
		return unixPrefix + h.Socket
	}
	return h.URL.String()
}

// Name returns a URL for display and for state files, without its password.
func Name(u *url.URL) string {
	named := *u
	if u.User != nil {
		named.User = url.User(u.User.Username())
	}
	return named.String()
}
