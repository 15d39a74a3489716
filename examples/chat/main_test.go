package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestMessagesOfARoomAreKept: a page that comes later gets them, and those of other rooms do not reach it.
func TestMessagesOfARoomAreKept(t *testing.T) {
	site, err := handler()
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(site)
	t.Cleanup(server.Close)
	send(t, server.URL+"/events", `{"topics":["chat/tea"],"data":{"name":"ada","text":"hello"}}`)
	send(t, server.URL+"/events", `{"topics":["chat/coffee"],"data":{"name":"bob","text":"no"}}`)
	if got := get(t, server.URL+"/events?poll=1&topic=chat/tea"); !strings.Contains(got, `{"name":"ada","text":"hello"}`) || strings.Contains(got, "bob") {
		t.Errorf("the room has %s", got)
	}
	for path, want := range map[string]string{"/": "from '/tidings.js'", "/tidings.js": "export"} {
		if got := get(t, server.URL+path); !strings.Contains(got, want) {
			t.Errorf("%s has no %q", path, want)
		}
	}
}

func send(t *testing.T, url, line string) {
	t.Helper()
	answer, err := http.Post(url, "application/x-ndjson", strings.NewReader(line))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatal(answer.Status)
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", url, answer.Status, err)
	}
	return string(text)
}
