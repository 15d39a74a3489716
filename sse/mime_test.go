package sse_test

import (
	"testing"

	"github.com/tidings-sse/tidings/sse"
)

func TestContentTypeIsReadAsInBrowsers(t *testing.T) {
	tests := []struct {
		want   bool
		fields []string
	}{
		{true, []string{"text/event-stream"}},
		{true, []string{"TEXT/Event-Stream"}},
		{true, []string{" text/event-stream \t"}},
		{true, []string{"text/event-stream;"}},
		{true, []string{"text/event-stream ; charset=utf-8"}},
		{true, []string{"text/event-stream;charset=windows-1252"}},
		{true, []string{"text/event-stream; bogus"}},
		{true, []string{`text/event-stream;x="a,b"`}},
		{true, []string{`text/event-stream;x="a\",text/html,b"`}},
		{true, []string{"text/html", "text/event-stream"}},
		{true, []string{"text/html, text/event-stream"}},
		{true, []string{"text/event-stream, */*"}},
		{true, []string{"text/event-stream, bogus"}},
		{false, []string{"text/event-stream, text/html"}},
		{false, nil},
		{false, []string{""}},
		{false, []string{"text/event-streams"}},
		{false, []string{"text /event-stream"}},
		{false, []string{"text/ event-stream"}},
		{false, []string{"text/event-stream bogus"}},
		{false, []string{"x text/event-stream"}},
		{false, []string{"event-stream"}},
		{false, []string{"text/event_stream"}},
		{false, []string{"application/json"}},
	}
	for _, test := range tests {
		if got := sse.IsEventStream(test.fields); got != test.want {
			t.Errorf("Content-Type %q: %v, want %v", test.fields, got, test.want)
		}
	}
}
