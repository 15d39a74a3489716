package cluster_test

import (
	"bytes"
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

	mu    sync.Mutex
	lines []string
}

func (t *trace) add(format string, args ...any) {
	line := fmt.Sprintf("%8.3f ", time.Since(t.began).Seconds()) + fmt.Sprintf(format, args...)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, line)
}

// Write adds a message of a logger.
func (t *trace) Write(line []byte) (int, error) {
	t.add("%s", bytes.TrimSpace(line))
	return len(line), nil
}

// logger returns a logger that writes to the trace.
func (t *trace) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(t, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		switch a.Key {
		case slog.TimeKey, slog.LevelKey:
			return slog.Attr{}
		}
		return a
	}}))
}

// stored adds a message of the order.
func (t *trace) stored(m *cluster.Message) { t.add("%s", "order: "+cluster.Describe(m)) }

// print prints the trace of a run that failed, or of one that was asked for.
func (t *trace) print(test *testing.T) {
	if !test.Failed() && (os.Getenv("TIDINGS_SEED") == "" || !testing.Verbose()) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	test.Log("the trace of the run:\n" + strings.Join(t.lines, "\n"))
}
