package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/internal/address"
)

func TestPasswordsAreNotShown(t *testing.T) {
	u, err := address.Parse("http://user:secret@example.com/events")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := address.Name(u), "http://user@example.com/events"; got != want {
		t.Errorf("the stream is named %q, want %q", got, want)
	}
}

func TestHeaderFlagsSetRequestFields(t *testing.T) {
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

func TestHeaderFlagsCannotInjectFields(t *testing.T) {
	for _, field := range []string{"X: a\r\nY: b", "X: a\x00", "X\n: a", ": a", "", "X Y: a", "Ü: a"} {
		req := &http.Request{Header: make(http.Header)}
		if err := setHeaders(req, []string{field}); err == nil {
			t.Errorf("%q was taken", field)
		}
	}
}
