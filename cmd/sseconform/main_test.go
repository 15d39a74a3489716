package main

import (
	"io"
	"log"
	"net/http"
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
	for _, want := range []string{
		"suite     passed   failed   left out\n", "content   0        0        9\n", "\nleft out, because no URL to publish to is given:\n  stream one-by-one, stream utf-8, stream stuck, content spaces, ",
		"\n9.2.4 \"The `Last-Event-ID` HTTP request header", "\n  replay resume: ",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the report does not have %q:\n%s", want, out)
		}
	}
	if code, out, _ := try(t, "server", "-json", "-idle", "100ms", server.URL); code != 1 || !strings.Contains(out, `"replay":{"passed":0,"run":1,"leftOut":0}`) || !strings.Contains(out, `"leftOut":[{"reason":"no URL to publish to is given","cases":["stream one-by-one",`) {
		t.Errorf("exit code %d, JSON %s", code, out)
	}
}

// TestServerThatCannotBeTestedIsOneLine and exit code 2: it breaks no sentence of the standard.
func TestServerThatCannotBeTestedIsOneLine(t *testing.T) {
	stream := httptest.NewServer(sse.Handler(nil, func(s *sse.Stream) error {
		<-s.Context().Done()
		return nil
	}))
	t.Cleanup(stream.Close)
	t.Cleanup(stream.CloseClientConnections)
	refusal := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(refusal.Close)
	unknown := httptest.NewTLSServer(http.NotFoundHandler())
	unknown.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(unknown.Close)
	for _, test := range []struct{ line, want string }{
		{"server http://127.0.0.1:1", `the server at "http://127.0.0.1:1" cannot be reached: `},
		{"server localhost:1", `the server at "localhost:1" cannot be reached: unsupported protocol scheme`},
		{"server " + unknown.URL, "cannot be reached: tls: failed to verify certificate"},
		{"server -publish http://127.0.0.1:1 " + stream.URL, `an event cannot be published at "http://127.0.0.1:1": `},
		{"server -publish " + refusal.URL + " " + stream.URL, `: publishing: 404 Not Found`},
	} {
		code, out, complaints := try(t, strings.Fields(test.line)...)
		if code != 2 || out != "" || !strings.Contains(complaints, test.want) || strings.Count(complaints, "\n") != 1 {
			t.Errorf("sseconform %s: exit code %d, %q, %q", test.line, code, out, complaints)
		}
	}
}

func TestMistakesOnTheCommandLineSayWhatToDo(t *testing.T) {
	for _, test := range []struct{ line, want string }{
		{"", "say client or server, and where it is"},
		{"client", "say where the client is"},
		{"server -json", "say where the server is"},
		{"clint http://localhost:1", `sseconform: "clint" is neither client nor server`},
		{"http://localhost:1", `"http://localhost:1" is neither client nor server`},
		{"-json client http://localhost:1", `"-json" is neither client nor server`},
		{"server http://localhost:1 http://localhost:2", `"http://localhost:2" is another`},
		{"client -parallel 0 http://localhost:1", "-parallel is 0"},
		{"client -parallel -1 http://localhost:1", "-parallel is -1"},
		{"client -idle 1s http://localhost:1", "-idle is a flag of sseconform server"},
		{"server -parallel 2 http://localhost:1", "-parallel is a flag of sseconform client"},
		{"server -idle -1s http://localhost:1", "-idle is -1s"},
		{"server -idle 0 http://localhost:1", "-idle is 0s"},
		{"server -idle soon http://localhost:1", `invalid value "soon" for flag -idle`},
		{"client -nonsense http://localhost:1", "-nonsense"},
		{"client http://127.0.0.1:1", "the driver does not answer"},
		{"client -- /does/not/exist", "no such file"},
		{"client -- echo hello", `"echo hello" prints no URL as its first line but "hello"`},
		{"server -header x http://127.0.0.1:1", "a header field is NAME: VALUE"},
	} {
		if code, _, complaints := try(t, strings.Fields(test.line)...); code != 2 || !strings.Contains(complaints, test.want) || strings.Count(complaints, "\n") != 1 {
			t.Errorf("sseconform %s: exit code %d, %q", test.line, code, complaints)
		}
	}
}

func TestHelpNamesEveryFlag(t *testing.T) {
	for _, line := range []string{"-h", "--help", "help", "client -h", "server -help"} {
		if code, _, help := try(t, strings.Fields(line)...); code != 0 || !strings.Contains(help, "Usage: sseconform client") || !strings.Contains(help, "-idle") || !strings.Contains(help, "-parallel") {
			t.Errorf("sseconform %s: exit code %d\n%s", line, code, help)
		}
	}
}
