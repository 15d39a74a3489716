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

// openedLog is what a logOpener has returned.
type openedLog struct {
	log   eventlog.Log
	where string
	err   error
}

const (
	openingQuiet = time.Second      // a log that is open by then needs no words
	openingEvery = 10 * time.Second // between lines that say that it still is not
)

// await waits for a log to open, and says in the hub's log how it goes. When ctx ends it returns the error of ctx at once. Nobody can stop the
// opener then; a log that it still opens is closed, and one that is not open when the process ends is left as by a kill.
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
					_ = o.log.Close() // nobody is left to tell
				}
			}()
			return openedLog{err: ctx.Err()}
		}
	}
}

func since(began time.Time) time.Duration { return time.Since(began).Round(time.Millisecond) }

// stopped returns nil for an error that only says that somebody has ended the hub.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}
