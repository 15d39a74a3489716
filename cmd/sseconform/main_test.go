package main

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/sse"
)

func try(t *testing.T, args ...string) (code int, out, complaints string) {
	t.Helper()
	var o, e strings.Builder
	code = run(t.Context(), args, &o, &e)
	return code, o.String(), e.String()
}

// TestServerReportHasATableAndTheBrokenSentences against a server whose events have no ids.
func TestServerReportHasATableAndTheBrokenSentences(t *testing.T) {
	server := httptest.NewServer(sse.Handler(nil, func(s *sse.Stream) error {
		for range 5 {
			if err := s.Send(sse.Event{Data: "x"}); err != nil {
				return err
			}
		}
		<-s.Context().Done()
		return nil
	}))
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	code, out, complaints := try(t, "server", "-idle", "100ms", server.URL)
	if code != 1 || complaints != "" {
		t.Errorf("exit code %d, complaints %q", code, complaints)
	}
	for _, want := range []string{"suite     passed   failed   left out\n", "content   0        0        9\n", "\n9.2.4 \"The `Last-Event-ID` HTTP request header", "\n  replay resume: "} {
		if !strings.Contains(out, want) {
			t.Errorf("the report does not have %q:\n%s", want, out)
		}
	}
	if code, out, _ := try(t, "server", "-json", "-idle", "100ms", server.URL); code != 1 || !strings.Contains(out, `"replay":{"passed":0,"run":1,"leftOut":0}`) {
		t.Errorf("exit code %d, JSON %s", code, out)
	}
}

func TestMistakesOnTheCommandLineSayWhatToDo(t *testing.T) {
	for _, test := range []struct{ line, want string }{
		{"", "say client or server, and where it is"},
		{"client", "say client or server, and where it is"},
		{"clint http://localhost:1", "say client or server, and where it is"},
		{"client http://127.0.0.1:1", "the driver does not answer"},
		{"client -- /does/not/exist", "no such file"},
		{"client -- echo hello", `"echo hello" prints no URL as its first line but "hello"`},
		{"server -header x http://127.0.0.1:1", "a header field is NAME: VALUE"},
	} {
		if code, _, complaints := try(t, strings.Fields(test.line)...); code != 2 || !strings.Contains(complaints, test.want) {
			t.Errorf("sseconform %s: exit code %d, %q", test.line, code, complaints)
		}
	}
}
