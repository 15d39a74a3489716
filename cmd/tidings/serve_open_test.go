package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alecthomas/kong"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
)

// opening is a running tidings serve whose log opens when the test sends to open.
type opening struct {
	url   string
	log   *awaited
	out   *awaited
	open  chan error // nil: the log opens, otherwise it fails
	stop  context.CancelFunc
	ended chan error
}

// startOpening runs tidings serve with a real log that opens when the test says so.
func startOpening(t *testing.T) *opening {
	t.Helper()
	addr := freeAddr(t) // the hub prints its port only after its log is open
	var all commands
	parser, err := kong.New(&all, kong.NoDefaultHelp(), kong.Bind(environ(nil)))
	if err == nil {
		_, err = parser.Parse([]string{"serve", "--addr", addr})
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	o := &opening{"http://" + addr, newAwaited(), newAwaited(), make(chan error, 1), cancel, make(chan error, 1)}
	dir := t.TempDir()
	open := func(*slog.Logger) (eventlog.Log, string, error) {
		if err := <-o.open; err != nil {
			return nil, "", err
		}
		log, err := disklog.Open(dir, nil)
		return log, dir, err
	}
	go func() { o.ended <- all.Serve.run(ctx, stdio{strings.NewReader(""), o.out, o.log}, nil, open) }()
	t.Cleanup(func() {
		cancel()
		select {
		case o.open <- errors.New("the test is over"):
		default:
		}
	})
	for {
		resp, err := http.Get(o.url + "/healthz") //nolint:noctx // until it listens
		if err == nil {
			_ = resp.Body.Close()
			return o
		}
		select {
		case err := <-o.ended:
			t.Fatalf("it has ended: %v", err)
		default:
		}
	}
}

// TestServeAnswersWhileItsLogIsBeingOpened: health checks had no answer until the log was open, which may take minutes.
func TestServeAnswersWhileItsLogIsBeingOpened(t *testing.T) {
	t.Parallel()
	o := startOpening(t)
	o.log.await(t, `the log is still being opened`)
	for path, status := range map[string]int{"/healthz": 200, "/readyz": 503, "/events/news": 503} {
		resp, body := ask(t, http.DefaultClient, http.MethodGet, o.url+path, "")
		if resp.StatusCode != status || status == 503 && resp.Header.Get("Retry-After") == "" {
			t.Errorf("%s: %v %s", path, resp, body)
		}
	}
	if resp, body := ask(t, http.DefaultClient, http.MethodPost, o.url+"/events/news", "hello"); resp.StatusCode != 503 {
		t.Errorf("publishing: %v %s", resp, body)
	}
	o.open <- nil
	o.out.await(t, `tidings serve listens on`)
	o.log.await(t, `the log is open`)
	if resp, body := ask(t, http.DefaultClient, http.MethodPost, o.url+"/events/news", "hello"); resp.StatusCode != 200 {
		t.Errorf("publishing: %v %s", resp, body)
	}
	o.stop()
	if err := <-o.ended; err != nil {
		t.Error(err)
	}
}

// TestServeStopsWhileItsLogIsBeingOpened: stopping a hub does not wait for its log.
func TestServeStopsWhileItsLogIsBeingOpened(t *testing.T) {
	t.Parallel()
	o := startOpening(t)
	o.stop()
	if err := <-o.ended; err != nil {
		t.Errorf("it was stopped, and ends with %v", err)
	}
	o.log.await(t, `the hub stops while its log is being opened`)
}

// TestServeFailsIfItsLogCannotBeOpened, with the reason.
func TestServeFailsIfItsLogCannotBeOpened(t *testing.T) {
	t.Parallel()
	o := startOpening(t)
	broken := errors.New("the disk is on fire")
	o.open <- broken
	if err := <-o.ended; !errors.Is(err, broken) {
		t.Errorf("it ends with %v", err)
	}
	if text, _ := o.out.now(); text != "" {
		t.Errorf("it says %q", text)
	}
}

// TestSlowOpeningSaysWhatClientsNotice: requests that wait during a restart were called answered with 503.
func TestSlowOpeningSaysWhatClientsNotice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		holding, opened := context.WithTimeout(t.Context(), holdTime)
		defer opened()
		var log bytes.Buffer
		slow := logOpener(func(*slog.Logger) (eventlog.Log, string, error) {
			time.Sleep(holdTime + openingEvery)
			return nil, "", nil
		})
		slow.await(t.Context(), slog.New(slog.NewTextHandler(&log, nil)), (&gate{opened: holding}).meanwhile)
		lines := strings.SplitAfter(log.String(), "\n")
		if len(lines) < 5 || !strings.Contains(lines[0], "until it is, requests wait, at most 30s") || !strings.Contains(lines[3], "until it is, the hub answers 503") {
			t.Errorf("%q", lines)
		}
	})
}
