package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/sse"
	"github.com/tidings-sse/tidings/sse/ssetest"
)

// failureOf returns the error of a subscription to a server that gives one answer.
func failureOf(t *testing.T, answer ssetest.Answer, idle time.Duration) error {
	t.Helper()
	server := ssetest.NewTCPServer(t, answer)
	c := (&subCmd{Once: true, MaxEvent: 10}).client(nil)
	c.HTTP = server.Client()
	c.IdleTimeout = idle
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range c.Subscribe(req) {
		if err != nil {
			return err
		}
	}
	t.Fatal("the stream has ended without an error")
	return nil
}

func TestReasonsArePlainWords(t *testing.T) {
	const silent = "the server was silent for too long"
	for _, c := range []struct {
		answer ssetest.Answer
		want   string
	}{
		{ssetest.Stream(ssetest.Send("data: 1\n\n")), "the server ended the stream"},
		{ssetest.Stream(ssetest.Send("data: 1\n")), "the stream was cut off inside an event"},
		{ssetest.Stream(ssetest.Send("data: 1\n\n"), ssetest.Cut()), "the stream was cut off"},
		{ssetest.Stream(ssetest.Send("data: 1234567890a\n\n")), "an event is larger than 10 bytes, the limit of --max-event"},
		{ssetest.Stream(ssetest.Hold()), silent},
		{ssetest.Status(500), "the server answered 500 Internal Server Error"},
		{ssetest.Status(200), `the server answered with content type "" instead of "text/event-stream"`},
		{ssetest.Redirect(302, "ftp://example.com/"), `the redirect to "ftp://example.com/" was not followed: its scheme is neither http nor https`},
		{ssetest.Raw(), "the server closed the connection without an answer"},
	} {
		idle := patience
		if c.want == silent {
			idle = 100 * time.Millisecond
		}
		if got := reason(failureOf(t, c.answer, idle)); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	if got := reason(&net.DNSError{Name: "no.example", IsNotFound: true}); got != "no host has the name no.example" {
		t.Errorf("got %q", got)
	}
	if got := reason(errors.New("sse: something else")); got != "something else" {
		t.Errorf("got %q", got)
	}
}

func TestDelaysAreFormattedForPeople(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "at once", 40 * time.Millisecond: "at once", 1234 * time.Millisecond: "in 1.2 s",
		30 * time.Second: "in 30 s", 100 * time.Second: "in 100 s", 10 * time.Minute: "in 10 min",
	} {
		if got := in(d); got != want {
			t.Errorf("in(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestStatusReportsConnectionChanges(t *testing.T) {
	tell := func(terminal bool) string {
		var b strings.Builder
		s := &status{program: "tidings sub", giveUp: "; --once would give up", w: &b, server: "http://example.com", hub: true, terminal: terminal, pretty: true}
		lost := &sse.Failure{Err: sse.ErrEnded, Delay: time.Second}
		refused := &sse.Failure{Err: &sse.ResponseError{StatusCode: 503, Status: "503 \x1b[31mBusy"}, Delay: 2 * time.Second}
		s.observe(sse.Connecting, nil, "http://example.com", "")
		s.observe(sse.Open, nil, "http://example.com", "")
		s.observe(sse.Connecting, lost, "http://example.com", "7")
		s.observe(sse.Connecting, refused, "http://example.com", "7")
		s.observe(sse.Open, nil, "http://example.com", "7")
		s.observe(sse.Closed, nil, "http://example.com", "7")
		return b.String()
	}
	want := `tidings sub: connection lost (the server ended the stream); again in 1.0 s
tidings sub: no connection (the server answered 503 ␛[31mBusy); again in 2.0 s
tidings sub: connected again, to continue after id 7
`
	if got := tell(false); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	got := tell(true)
	for i, want := range []string{"connecting to http://example.com", "connected", "connection lost", "no connection", "connected again"} {
		if line := strings.Split(got, "\n")[i]; !strings.Contains(line, "  · "+want) {
			t.Errorf("line %d is %q, want %q", i, line, want)
		}
	}
}

// runSub runs tidings sub as main does.
func runSub(ctx context.Context, std stdio, args ...string) int {
	p := program{stdio: std}
	return p.run(ctx, append([]string{"sub"}, args...))
}

func TestOutputThatCannotBeWrittenEndsTheRun(t *testing.T) {
	for _, args := range [][]string{{}, {"--comments"}} {
		var complaints strings.Builder
		stream := strings.NewReader(": hello\n\ndata: 1\n\n")
		code := runSub(t.Context(), stdio{stream, fullDisk{}, &complaints}, append(args, "-")...)
		if want := "tidings: the output cannot be written: no space left\n"; code != exitFailure || complaints.String() != want {
			t.Errorf("%v: exit code %d, %q, want %q", args, code, complaints.String(), want)
		}
	}
}

// TestEveryCommandSaysAlikeThatItsOutputCannotBeWritten, whether it prints a list or follows.
func TestEveryCommandSaysAlikeThatItsOutputCannotBeWritten(t *testing.T) {
	s := startServe(t, nil)
	full := &fs.PathError{Op: "write", Path: os.Stdout.Name(), Err: errors.New("no space left")}
	for _, args := range []string{
		"presence room --numbers", "presence room --format table", "presence room --follow", "stats", "man",
	} {
		var complaints strings.Builder
		p := program{stdio: stdio{strings.NewReader(""), failingOutput{full}, &complaints}}
		words := strings.Fields(args)
		if args != "man" {
			words = append(words, "--hub", s.url)
		}
		code := p.run(t.Context(), words)
		want := "tidings: the output cannot be written: write " + os.Stdout.Name() + ": no space left\n"
		if code != exitFailure || !strings.HasSuffix(complaints.String(), want) {
			t.Errorf("tidings %s: exit code %d, %q, want %q", args, code, complaints.String(), want)
		}
	}
}

type failingOutput struct{ err error }

func (o failingOutput) Write([]byte) (int, error) { return 0, o.err }

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestWaitingInputDoesNotDelayTheEnd(t *testing.T) {
	waiting, never := io.Pipe()
	defer never.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if code := runSub(ctx, stdio{waiting, io.Discard, io.Discard}, "-"); code != exitInterrupted {
		t.Errorf("exit code %d, want %d", code, exitInterrupted)
	}
}

func TestLastEventIDThatCannotBeSentIsRefused(t *testing.T) {
	var complaints strings.Builder
	code := runSub(t.Context(), stdio{nil, io.Discard, &complaints}, "--last-event-id", "a\x01b", "http://127.0.0.1:1/")
	if code != exitUsage || !strings.Contains(complaints.String(), `the header field "Last-Event-Id" cannot be sent`) {
		t.Errorf("exit code %d, %q", code, complaints.String())
	}
}
