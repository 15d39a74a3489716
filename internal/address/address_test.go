package address

import (
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestAddressHasASchemeOrPortOrIsLocalhost(t *testing.T) {
	for _, text := range []string{
		"http://localhost:3000", "https://hub.example", "HTTPS://Hub.Example/x", "ftp://host/x", "mercure+https://x/y", "https://",
		"http:/localhost:3000/events", "http:localhost", "https:hub.example",
		"localhost", "LOCALHOST", "localhost/events", "localhost:3000", "localhost:abc", "localhost?topic=a",
		"hub.example:80", "hub:3000/events", "127.0.0.1:3000", "[::1]:3000/events", ":3000", ":3000/events", "user:secret@hub:80/x",
		"unix:x.sock", "unix:///run/tidings.sock", "unix:",
	} {
		if !Is(text) {
			t.Errorf("%q is a topic", text)
		}
	}
	for _, text := range []string{
		"news", "news.json", "example.com/news", "weather/**", "a:b", "urn:isbn:0451450523", "doi:10.1000/182", "mailto:a@example.com",
		"local", "localhosts", "localhost.example", "builds/localhost:3000", "a/b:80", "unixes", "12", "https", "a b", "-", "**", "ü:ö",
	} {
		if Is(text) {
			t.Errorf("%q is an address", text)
		}
	}
}

func TestURLsWithoutSchemeOrHostAreCompleted(t *testing.T) {
	for text, want := range map[string]string{
		"localhost:3000/events":           "http://localhost:3000/events",
		"localhost":                       "http://localhost",
		":3000/events":                    "http://localhost:3000/events",
		"[::1]:3000/events":               "http://[::1]:3000/events",
		"127.0.0.1:3000":                  "http://127.0.0.1:3000",
		"https://example.com/a?topic=b/c": "https://example.com/a?topic=b/c",
		"HTTP://example.com/":             "http://example.com/",
		"example.com/events#part":         "http://example.com/events",
		"example.com/?u=https://x.org/":   "http://example.com/?u=https://x.org/",
		"http://user:secret@example.com/": "http://user:secret@example.com/",
	} {
		u, err := Parse(text)
		if err != nil || u.String() != want {
			t.Errorf("Parse(%q) = %v, %v, want %q", text, u, err, want)
		}
	}
}

func TestHubAddressesHaveSeveralForms(t *testing.T) {
	for text, want := range map[string]string{
		"":                                 "http://localhost:3000",
		"localhost:3000":                   "http://localhost:3000",
		":3001":                            "http://localhost:3001",
		"3001":                             "http://localhost:3001",
		"[::1]:3000":                       "http://[::1]:3000",
		"hub.example":                      "http://hub.example",
		"https://hub.example/":             "https://hub.example",
		"https://hub.example/a/tidings//":  "https://hub.example/a/tidings",
		"https://hub.example/a%2Fb/":       "https://hub.example/a%2Fb",
		"http://localhost:3000/events":     "http://localhost:3000",
		"https://hub.example/a/events/":    "https://hub.example/a",
		"https://u:secret@hub.example/#x":  "https://u@hub.example",
		"unix:x.sock":                      "unix:x.sock",
		"unix:/run/tidings.sock":           "unix:/run/tidings.sock",
		"unix:///run/tidings.sock":         "unix:/run/tidings.sock",
		"HTTP://localhost:3000":            "http://localhost:3000",
		"http://[fe80::1%25eth0]:3000/hub": "http://[fe80::1%25eth0]:3000/hub",
	} {
		h, err := ParseHub(text)
		if err != nil || h.String() != want {
			t.Errorf("ParseHub(%q) = %v, %v, want %q", text, h, err, want)
		}
	}
}

func TestInvalidHubAddressIsExplained(t *testing.T) {
	for text, want := range map[string]string{
		"ftp://hub.example":               "not ftp://",
		"http://":                         "names no host",
		"http:/localhost:3000":            "write two slashes after http:",
		"/events":                         "a path without a host",
		"localhost:99999":                 "there is no port 99999",
		"localhost:abc":                   "invalid port",
		"::1":                             "such as [::1]:3000",
		"unix:":                           "names no file",
		"http://hub.example?topic=a":      "has a query",
		"http://u:secret@hub.example?a=b": "u:…@hub.example",
		"http://u:secret@hub example":     "u:…@hub example",

		"http://localhost:3000/events/aa":            "names a topic besides the hub, which is http://localhost:3000",
		"https://u:secret@hub.example/x/events/a/b/": "which is https://u@hub.example/x",
		"localhost:3000/events/events":               "which is http://localhost:3000",
		"localhost:3000/events/a/events":             "which is http://localhost:3000",
		":3000/events/weather/**":                    "which is http://localhost:3000",
	} {
		_, err := ParseHub(text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("ParseHub(%q): %v, want %q in it", text, err, want)
		}
	}
}

func TestStreamURLContainsHubAndTopics(t *testing.T) {
	for text, want := range map[string][]string{
		"http://localhost:3000":                         {"http://localhost:3000"},
		"localhost:3000/":                               {"http://localhost:3000"},
		"localhost:3000/events":                         {"http://localhost:3000"},
		"localhost:3000/events/":                        {"http://localhost:3000"},
		"localhost:3000/events/news":                    {"http://localhost:3000", "news"},
		"localhost:3000/events/a%20b/c":                 {"http://localhost:3000", "a b/c"},
		"https://hub.example/x/events/a/events/b":       {"https://hub.example/x", "a/events/b"},
		"localhost:3000/events?topic=a&topic=https://b": {"http://localhost:3000", "a", "https://b"},
		"localhost:3000/events/a?topic=b":               {"http://localhost:3000", "a", "b"},
		"unix:x.sock":                                   {"unix:x.sock"},
	} {
		h, topics, err := ParseTopics(text)
		if err != nil {
			t.Errorf("ParseTopics(%q): %v", text, err)
		} else if got := append([]string{h.String()}, topics...); !slices.Equal(got, want) {
			t.Errorf("ParseTopics(%q) = %q, want %q", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"localhost:3000/events/a%2Fb":      "write /events?topic=a%2Fb",
		"localhost:3000/events/a/":         "write /events?topic=a%2F",
		"localhost:3000/events/a//b":       "write /events?topic=a%2F%2Fb",
		"localhost:3000/events/a?type=b":   "not type=",
		"localhost:3000/events?last=3":     "not last=",
		"ftp://localhost:3000/events/news": "not ftp://",
	} {
		if _, _, err := ParseTopics(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseTopics(%q): %v, want %q in it", text, err, want)
		}
	}
}

func TestTransportReachesAUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "localhost" {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	_ = server.Listener.Close()
	server.Listener = l
	server.Start()
	defer server.Close()
	h, err := ParseHub("unix:" + path)
	if err != nil {
		t.Fatal(err)
	}
	transport := h.Transport(new(http.Transport))
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Get(h.URL.String())
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("the hub answers %s", resp.Status)
	}
}
