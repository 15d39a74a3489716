package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/sse"
)

func TestCountsFromZero(t *testing.T) {
	server := httptest.NewServer(counter(time.Millisecond))
	defer server.Close()
	n := 0
	for event, err := range sse.Subscribe(t.Context(), server.URL+"/events") {
		if err != nil {
			t.Fatal(err)
		}
		if event.Data != fmt.Sprint(n) {
			t.Fatalf("event %d is %q", n, event.Data)
		}
		if n++; n == 3 {
			break
		}
	}
}

func TestPageSubscribesToTheEvents(t *testing.T) {
	answer := httptest.NewRecorder()
	counter(time.Second).ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/", nil))
	if body := answer.Body.String(); !strings.Contains(body, "new EventSource('/events')") {
		t.Errorf("the page is %s", body)
	}
}
