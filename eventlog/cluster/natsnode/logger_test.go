package natsnode_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidings-sse/tidings/eventlog/cluster/natsnode"
)

// TestRepeatedMessagesOfTheServerAreLoggedOnceAMinute: while one hub had another key, all hubs logged ten warnings a second.
func TestRepeatedMessagesOfTheServerAreLoggedOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		l := natsnode.ServerLog(slog.New(slog.NewTextHandler(&out, nil)))
		for i := range 60 {
			l.Errorf("127.0.0.1:%d - rid:%d - TLS route handshake error: remote error", 40000+i, i)
			l.Errorf("Error trying to connect to route (attempt %d): dial tcp 10.0.0.%d:4248: connection refused", i, 1+i%2)
			l.Warnf("Plaintext passwords detected, use nkeys or bcrypt")
			time.Sleep(2 * time.Second)
		}
		for text, want := range map[string]int{"handshake": 2, "10.0.0.1": 2, "10.0.0.2": 2, "Plaintext": 0} {
			if got := strings.Count(out.String(), text); got != want {
				t.Errorf("%d lines with %q in two minutes, want %d:\n%s", got, text, want, out.String())
			}
		}
	})
}

func TestDebugLogHasEveryMessageOfTheServer(t *testing.T) {
	var out bytes.Buffer
	l := natsnode.ServerLog(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))
	for range 3 {
		l.Errorf("disk full")
	}
	if warn, debug := strings.Count(out.String(), "level=WARN"), strings.Count(out.String(), "level=DEBUG"); warn != 1 || debug != 2 {
		t.Errorf("%d warnings, and %d lines of a debug log; want 1 and 2:\n%s", warn, debug, out.String())
	}
}
