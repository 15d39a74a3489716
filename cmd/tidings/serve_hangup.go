package main

import (
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

// ignoreHangups keeps SIGHUP, by which operators ask for files to be read again, from ending a hub that has none to read again. One in a
// terminal ends with that. stop gives the signal back.
func ignoreHangups(logger *slog.Logger) (stop func()) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for range hangup {
			logger.Info("SIGHUP: there is no certificate to be read again; other settings are read when the hub is started")
		}
	}()
	return func() {
		signal.Stop(hangup)
		close(hangup)
		<-stopped
	}
}
