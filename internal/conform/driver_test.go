package conform

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// silent says where a driver stops answering.
type silent string

func (s silent) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begin := func(begins bool) {
		if begins {
			_ = http.NewResponseController(w).Flush() // the client is there, or the test is over
		}
		<-r.Context().Done()
	}
	_, _ = io.Copy(io.Discard, r.Body) // otherwise the end of the request is not seen
	switch {
	case r.Method == http.MethodGet && s == "GET":
		begin(false)
	case r.Method == http.MethodGet && s == "the body of GET":
		begin(true)
	case r.Method == http.MethodGet:
		_, _ = io.WriteString(w, `{"name": "silent"}`)
	case s == "an error":
		http.Error(w, "no client", http.StatusInternalServerError)
	default:
		begin(false)
	}
}

// TestDriversThatHangAreErrors: the runner waited for their answers as long as they lived.
func TestDriversThatHangAreErrors(t *testing.T) {
	t.Parallel()
	run := func(most time.Duration) func(url string) error {
		return func(url string) error {
			_, _, err := RunClient(t.Context(), url, Options{Answer: most})
			return err
		}
	}
	for where, test := range map[silent]struct {
		ask  func(url string) error
		want string
	}{
		"GET":             {run(100 * time.Millisecond), "does not answer: it has not answered GET within 100ms"},
		"the body of GET": {run(100 * time.Millisecond), "does not answer: it has not answered GET within 100ms"},
		"POST":            {func(url string) error { return try(t.Context(), url, 100*time.Millisecond) }, "the driver opens no client: it has not begun its answer to POST within 100ms"},
		"an error":        {run(time.Minute), "the driver answers 500"},
	} {
		server := httptest.NewServer(where)
		t.Cleanup(server.Close)
		if err := test.ask(server.URL); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("silent at %s: %v", where, err)
		}
	}
}

// TestProgramThatPrintsNoURLIsAnError also if a process of its own goes on, or if its line has no end.
func TestProgramThatPrintsNoURLIsAnError(t *testing.T) {
	t.Parallel()
	for script, want := range map[string]string{
		"exec sleep 9":                         "prints no URL as its first line: it was silent",
		"sleep 9 & wait":                       "prints no URL as its first line: it was silent",
		"printf http://localhost:1; sleep 9":   "prints no URL as its first line: it was silent",
		"tr '\\0' x </dev/zero":                `prints no URL as its first line but "xxx`,
		"echo hello":                           `prints no URL as its first line but "hello"`,
		"exit 0":                               `prints no URL as its first line but ""`,
		"sleep 9 & echo hello >&2; echo hello": `prints no URL as its first line but "hello"`,
	} {
		wait := time.Minute
		if strings.HasSuffix(want, "silent") {
			wait = 200 * time.Millisecond
		}
		ctx, cancel := context.WithTimeoutCause(t.Context(), wait, errors.New("it was silent"))
		_, _, err := Start(ctx, "", []string{"sh", "-c", script}, new(strings.Builder)) // a buffer, as of bench: exec copies into it
		cancel()
		if err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 300 {
			t.Errorf("%s: %v", script, err)
		}
	}
}
