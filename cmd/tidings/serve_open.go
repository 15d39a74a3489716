package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// logOpener opens the log of a hub. where describes its place for people: a directory, or "memory".
type logOpener func(*slog.Logger) (log eventlog.Log, where string, err error)

// openedLog is the result of a logOpener.
type openedLog struct {
	log   eventlog.Log
	where string
	err   error
}

const (
	openingQuiet = time.Second      // a log that opens faster is not reported
	openingEvery = 10 * time.Second // between reports that the log is not open yet
)

// await waits until the log is open, and logs the progress. When ctx ends, it returns the error of ctx at once. The opener cannot be stopped:
// a log that it opens later is closed again. If the process ends first, the log is in the state of a crash, which the next start repairs. meanwhile
// says what clients notice until the log is open.
func (open logOpener) await(ctx context.Context, logger *slog.Logger, meanwhile func() string) openedLog {
	began := time.Now()
	opened := make(chan openedLog, 1)
	go func() {
		log, where, err := open(logger)
		opened <- openedLog{log, where, err}
	}()
	slow := time.NewTimer(openingQuiet)
	defer slow.Stop()
	for reported := false; ; reported = true {
		select {
		case o := <-opened:
			if reported && o.err == nil {
				logger.Info("the log is open", "dir", o.where, "took", since(began))
			}
			return o
		case <-slow.C:
			logger.Warn("the log is still being opened; until it is, "+meanwhile(), "for", since(began))
			slow.Reset(openingEvery)
		case <-ctx.Done():
			logger.Info("the hub stops while its log is being opened", "after", since(began))
			go func() {
				if o := <-opened; o.err == nil {
					_ = o.log.Close() // the process ends in any case
				}
			}()
			return openedLog{err: ctx.Err()}
		}
	}
}

func since(began time.Time) time.Duration { return time.Since(began).Round(time.Millisecond) }

// stopped returns err, or nil if err only says that ctx has ended.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}
