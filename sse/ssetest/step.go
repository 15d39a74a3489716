package ssetest

import (
	"time"

	"github.com/tidings-sse/tidings/sse"
)

// Step is one thing that a scripted answer does. Any step ends early when the client leaves or the script is closed, and
// then no other follows.
type Step struct{ run func(*player) error }

// Send sends text in one write and flush for each piece: the pieces are where a reader sees the stream split, exactly so
// on the in-memory network. An empty piece flushes nothing.
func Send(pieces ...string) Step {
	return Step{func(p *player) error {
		for _, piece := range pieces {
			if err := p.send(piece); err != nil {
				return err
			}
		}
		return nil
	}}
}

// SendEvent sends events, each in a write of its own. It panics at once if one of them cannot be sent, which is a
// mistake in the test.
func SendEvent(events ...sse.Event) Step {
	pieces := make([]string, len(events))
	for i, e := range events {
		frame, err := e.Frame()
		if err != nil {
			panic("ssetest: " + err.Error())
		}
		pieces[i] = frame.String()
	}
	return Send(pieces...)
}

// Trickle sends text in pieces of size bytes, with a pause before each. A size below 1 is 1.
func Trickle(text string, size int, pause time.Duration) Step {
	size = max(size, 1)
	var steps []Step
	for len(text) > 0 {
		n := min(size, len(text))
		steps = append(steps, Pause(pause), Send(text[:n]))
		text = text[n:]
	}
	return sequence(steps)
}

// Forever repeats steps until the client leaves: a server that never comes to an end.
func Forever(steps ...Step) Step {
	all := sequence(steps)
	return Step{func(p *player) error {
		for {
			if err := p.over(); err != nil {
				return err
			}
			if err := all.run(p); err != nil {
				return err
			}
		}
	}}
}

// Pause sends nothing for d.
func Pause(d time.Duration) Step {
	return Step{func(p *player) error {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			return p.over()
		case <-p.left():
			return errLeft
		}
	}}
}

// WaitFor sends nothing until the test closes released, or sends to it.
func WaitFor(released <-chan struct{}) Step {
	return Step{func(p *player) error {
		select {
		case <-released:
			return p.over()
		case <-p.left():
			return errLeft
		}
	}}
}

// Hold keeps the connection open and silent until the client leaves or the script is closed.
func Hold() Step { return WaitFor(nil) }

// Do calls f.
func Do(f func()) Step {
	return Step{func(*player) error {
		f()
		return nil
	}}
}

// Cut ends the answer as broken off: the connection is closed before the body is complete, which an HTTP client
// reports as an error. Only a body without any framing, as HTTP/1.0 has it, looks whole; there use [Reset].
func Cut() Step { return Step{func(*player) error { return errCut }} }

// Reset breaks the connection off: the client reads what was sent before, if its network lets it, then gets an error.
// Over HTTP/2 only the stream is reset.
func Reset() Step { return Step{func(*player) error { return errReset }} }

// End ends the answer cleanly, as the end of the steps does. It is for those who like to see it, and for what [Forever]
// repeats.
func End() Step { return Step{func(*player) error { return errEnd }} }

func sequence(steps []Step) Step {
	return Step{func(p *player) error { return p.play(steps) }}
}
