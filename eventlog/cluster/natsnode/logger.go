package natsnode

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"time"
)

// serverLog logs the messages of the server one level lower, because the server warns of each route that is not up yet, and of
// each reconnect. A message that the server repeats comes once a minute; a debug log has all of them.
type serverLog struct {
	logger *slog.Logger
	fatal  func(error)

	mu   sync.Mutex // guards said
	said map[string]time.Time
}

const (
	repeatTime = time.Minute
	mostSaid   = 256 // messages to remember; with more, all may be repeated early
)

// unusable are texts of messages that mean nothing to operators of hubs.
var unusable = []string{
	nobody,                         // the server has tried the announced address, which no program listens on
	"Plaintext passwords detected", // they are random, and never leave the process but over TLS
	"Waiting for routing",          // await reports what it waits for
}

// counters are the parts of a message in which its repetitions differ: the numbers of connections and attempts, and ports of clients.
var counters = regexp.MustCompile(`(rid|cid|attempt)[: ]\d+|:\d{5}\b`)

func (l *serverLog) log(level slog.Level, format string, args []any) {
	if !l.logger.Enabled(context.Background(), level) {
		return
	}
	text := fmt.Sprintf(format, args...)
	for _, part := range unusable {
		if strings.Contains(text, part) {
			level = min(level, slog.LevelDebug)
		}
	}
	if level > slog.LevelDebug && level < slog.LevelError && l.repeated(text, time.Now()) {
		level = slog.LevelDebug
	}
	l.logger.Log(context.Background(), level, "NATS server: "+text)
}

// repeated reports whether the server has logged the same less than a minute ago.
func (l *serverLog) repeated(text string, now time.Time) bool {
	text = counters.ReplaceAllString(text, "")
	l.mu.Lock()
	defer l.mu.Unlock()
	if at, ok := l.said[text]; ok && now.Sub(at) < repeatTime {
		return true
	}
	if l.said == nil || len(l.said) >= mostSaid {
		l.said = map[string]time.Time{}
	}
	l.said[text] = now
	return false
}

func (l *serverLog) Tracef(format string, args ...any)  { l.log(slog.LevelDebug-4, format, args) }
func (l *serverLog) Debugf(format string, args ...any)  { l.log(slog.LevelDebug-4, format, args) }
func (l *serverLog) Noticef(format string, args ...any) { l.log(slog.LevelDebug, format, args) }
func (l *serverLog) Warnf(format string, args ...any)   { l.log(slog.LevelInfo, format, args) }
func (l *serverLog) Errorf(format string, args ...any)  { l.log(slog.LevelWarn, format, args) }

// Fatalf does not end the process, although the server expects that: the hub has to end its streams first.
func (l *serverLog) Fatalf(format string, args ...any) {
	l.log(slog.LevelError, format, args)
	l.fatal(fmt.Errorf(format, args...))
}
