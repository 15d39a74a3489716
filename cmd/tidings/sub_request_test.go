package main

import (
	"net/http"
	"strings"
	"testing"
)

func TestURLsAreCompletedAsPeopleMeanThem(t *testing.T) {
	for text, want := range map[string]string{
		"localhost:3000/events":           "http://localhost:3000/events",
		"localhost":                       "http://localhost",
		"[::1]:3000/events":               "http://[::1]:3000/events",
		"127.0.0.1:3000":                  "http://127.0.0.1:3000",
		"https://example.com/a?topic=b/c": "https://example.com/a?topic=b/c",
		"HTTP://example.com/":             "http://example.com/",
		"example.com/events#part":         "http://example.com/events",
		"example.com/?u=https://x.org/":   "http://example.com/?u=https://x.org/",
		"http://user:secret@example.com/": "http://user:secret@example.com/",
	} {
		u, err := parseURL(text)
		if err != nil || u.String() != want {
			t.Errorf("parseURL(%q) = %v, %v, want %q", text, u, err, want)
		}
	}
}

func TestPasswordsAreNotNamed(t *testing.T) {
	u, err := parseURL("http://user:secret@example.com/events")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := streamName(u), "http://user@example.com/events"; got != want {
		t.Errorf("the stream is named %q, want %q", got, want)
	}
}

func TestHeaderFieldsAreWhatTheUserSaid(t *testing.T) {
	req, err := http.NewRequest(http.MethodGet, "http://example.com", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("User-Agent", "ours")
	if err := setHeaders(req, []string{"x-one: 1", "X-One:2", "user-agent: mine", "Host: other.example", "X-Empty:"}); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(req.Header["X-One"], "|"); got != "1|2" {
		t.Errorf("X-One is %q", got)
	}
	if got := req.Header["User-Agent"]; len(got) != 1 || got[0] != "mine" {
		t.Errorf("User-Agent is %q", got)
	}
	if req.Host != "other.example" || req.Header.Get("Host") != "" {
		t.Errorf("the host is %q and the field %q", req.Host, req.Header.Get("Host"))
	}
	if got, ok := req.Header["X-Empty"]; !ok || got[0] != "" {
		t.Errorf("X-Empty is %q", got)
	}
}

func TestHeaderFieldsCannotSmuggleOthersIn(t *testing.T) {
	for _, field := range []string{"X: a\r\nY: b", "X: a\x00", "X\n: a", ": a", "", "X Y: a", "Ü: a"} {
		req := &http.Request{Header: make(http.Header)}
		if err := setHeaders(req, []string{field}); err == nil {
			t.Errorf("%q was taken", field)
		}
	}
}
