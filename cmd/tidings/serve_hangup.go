package main

import (
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

// ignoreHangups logs SIGHUP instead of ending the hub. Operators send it to make servers read their files again, and this hub has no such
// file. A hub in a terminal keeps the default: it ends when the terminal closes. stop restores the default.
func ignoreHangups(logger *slog.Logger) (stop func()) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for range hangup {
			logger.Info("SIGHUP: there is no certificate to load again; restart the hub to apply other settings")
		}
	}()
	return func() {
		signal.Stop(hangup)
		close(hangup)
		<-stopped
	}
}
