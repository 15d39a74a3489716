package main

import (
	"io"
	"os"
	"os/signal"
	"syscall"
)

// signals are the signals that a hub handles besides those that stop it. main catches them before it does anything else, because until then SIGUSR2
// is lost and SIGHUP ends the process. They wait until the hub is ready for them.
type signals struct {
	restart chan os.Signal // nil: this system has no signal for it
	hangup  chan os.Signal // nil: see catchSignals
}

// catchSignals catches the signals of a hub with its log on w. On a terminal SIGHUP keeps its default action: the hub ends when the terminal closes.
func catchSignals(w io.Writer) *signals {
	s := &signals{restart: restartSignals()}
	if !isTerminal(w) {
		s.hangup = make(chan os.Signal, 1)
		signal.Notify(s.hangup, syscall.SIGHUP)
	}
	return s
}

// stop restores the default actions.
func (s *signals) stop() {
	for _, c := range []chan os.Signal{s.restart, s.hangup} {
		if c != nil {
			signal.Stop(c)
		}
	}
}
