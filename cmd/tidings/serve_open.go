package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// logOpener opens the log of a hub, and says where it is.
type logOpener func(*slog.Logger) (log eventlog.Log, where string, err error)

// openedLog is the result of a logOpener.
type openedLog struct {
	log   eventlog.Log
	where string
	err   error
}

const (
	openingQuiet = time.Second      // a log that opens faster is not worth a line
	openingEvery = 10 * time.Second // between lines that say that it still is not
)

// await waits until the log is open, and logs the progress. When ctx ends, it returns the error of ctx at once. The opener cannot be stopped: if
// it still opens the log, the log is closed again; if the process ends first, the log is left as after a crash.
func (open logOpener) await(ctx context.Context, logger *slog.Logger) openedLog {
	began := time.Now()
	opened := make(chan openedLog, 1)
	go func() {
		log, where, err := open(logger)
		opened <- openedLog{log, where, err}
	}()
	slow := time.NewTimer(openingQuiet)
	defer slow.Stop()
	for said := false; ; said = true {
		select {
		case o := <-opened:
			if said && o.err == nil {
				logger.Info("the log is open", "dir", o.where, "took", since(began))
			}
			return o
		case <-slow.C:
			logger.Warn("the log is still being opened; until it is, the hub answers 503, and /healthz 200", "for", since(began))
			slow.Reset(openingEvery)
		case <-ctx.Done():
			logger.Info("the hub ends while its log is being opened", "after", since(began))
			go func() {
				if o := <-opened; o.err == nil {
					_ = o.log.Close() // the process ends, and nothing can report an error
				}
			}()
			return openedLog{err: ctx.Err()}
		}
	}
}

func since(began time.Time) time.Duration { return time.Since(began).Round(time.Millisecond) }

// stopped returns nil for the error of a hub that was stopped on purpose.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}
