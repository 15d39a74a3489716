package cluster_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/eventlog/cluster"
)

// trace is what happened in a simulated run, in virtual time: faults, the messages that the order stored, and the log messages of the hubs.
// Its lines are printed if the run fails: a seed does not determine in which order goroutines run, so a failure may not repeat.
type trace struct {
	began time.Time

	mu       sync.Mutex // guards the following fields
	lines    []line
	disputes int // log messages that say that hubs have decided differently
}

// line is a line of a trace. Nearly all runs succeed, and their lines never become text.
type line struct {
	at   time.Duration
	text func() string
}

func (t *trace) add(text func() string) {
	at := time.Since(t.began)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, line{at, text})
}

// logger returns a logger that writes to the trace.
func (t *trace) logger() *slog.Logger {
	h := &traceHandler{trace: t, text: new(bytes.Buffer)}
	h.Handler = slog.NewTextHandler(h.text, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		switch a.Key {
		case slog.TimeKey, slog.LevelKey:
			return slog.Attr{}
		}
		return a
	}})
	return slog.New(h)
}

// traceHandler adds the messages of a logger to a trace.
type traceHandler struct {
	*trace
	slog.Handler
	text *bytes.Buffer // to which Handler writes; only print uses it
}

func (h *traceHandler) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == cluster.Disputed {
		h.mu.Lock()
		h.disputes++
		h.mu.Unlock()
	}
	h.add(func() string {
		h.text.Reset()
		if err := h.Handler.Handle(ctx, r); err != nil {
			return err.Error()
		}
		return string(bytes.TrimSpace(h.text.Bytes()))
	})
	return nil
}

func (h *traceHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &traceHandler{h.trace, h.Handler.WithAttrs(attrs), h.text}
}

// stored adds a message of the order.
func (t *trace) stored(m *cluster.Message) {
	stored := *m
	t.add(func() string { return "order: " + cluster.Describe(&stored) })
}

// agreed fails the test if hubs have ever decided differently, even if most of them have overruled the others since.
func (t *trace) agreed(test *testing.T) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.disputes > 0 {
		test.Error("hubs have decided differently about a message")
	}
}

// print prints the trace of a run that failed, or of one that was asked for.
func (t *trace) print(test *testing.T) {
	if !test.Failed() && (os.Getenv("TIDINGS_SEED") == "" || !testing.Verbose()) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	var b strings.Builder
	for _, l := range t.lines {
		fmt.Fprintf(&b, "\n%8.3f %s", l.at.Seconds(), l.text())
	}
	test.Log("the trace of the run:" + b.String())
}
