package natsnode

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
)

// serverLog logs the messages of the server one level lower, because the server warns of each route that is not up yet, and of
// each reconnect.
type serverLog struct {
	logger *slog.Logger
	fatal  func(error)
}

func (l *serverLog) log(level slog.Level, format string, args []any) {
	if !l.logger.Enabled(context.Background(), level) {
		return
	}
	text := fmt.Sprintf(format, args...)
	if strings.Contains(text, nobody) { // the server has tried the announced address, which no program listens on
		level = slog.LevelDebug
	}
	l.logger.Log(context.Background(), level, "NATS server: "+text)
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
