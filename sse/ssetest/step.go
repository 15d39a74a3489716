package ssetest

import (
	"time"

	"github.com/tidings-sse/tidings/sse"
)

// Step is one action of a scripted answer. When the client disconnects or the script is closed, the current step ends
// early and no other follows.
type Step struct{ run func(*player) error }

// Send sends each chunk with one write and one flush. On the in-memory network the client reads exactly these chunks.
// An empty chunk sends nothing.
func Send(chunks ...string) Step {
	return Step{func(p *player) error {
		for _, chunk := range chunks {
			if err := p.send(chunk); err != nil {
				return err
			}
		}
		return nil
	}}
}

// SendEvent sends each event with one write. It panics if an event cannot be encoded, because that is a mistake in the
// test.
func SendEvent(events ...sse.Event) Step {
	chunks := make([]string, len(events))
	for i, e := range events {
		frame, err := e.Frame()
		if err != nil {
			panic("ssetest: " + err.Error())
		}
		chunks[i] = frame.String()
	}
	return Send(chunks...)
}

// Trickle sends text in chunks of size bytes, with a pause before each. A size below 1 means 1.
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

// Forever repeats steps until the client disconnects or the script is closed.
func Forever(steps ...Step) Step {
	all := sequence(steps)
	return Step{func(p *player) error {
		for {
			if err := p.endReason(); err != nil {
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
			return p.endReason()
		case <-p.disconnected():
			return errDisconnected
		}
	}}
}

// WaitFor sends nothing until the test closes released or sends to it.
func WaitFor(released <-chan struct{}) Step {
	return Step{func(p *player) error {
		select {
		case <-released:
			return p.endReason()
		case <-p.disconnected():
			return errDisconnected
		}
	}}
}

// Hold keeps the connection open and silent until the client disconnects or the script is closed.
func Hold() Step { return WaitFor(nil) }

// Do calls f.
func Do(f func()) Step {
	return Step{func(*player) error {
		f()
		return nil
	}}
}

// Cut closes the connection before the body is complete, which HTTP clients report as an error. A body without framing,
// as in HTTP/1.0, looks complete to them; use [Reset] there.
func Cut() Step { return Step{func(*player) error { return errCut }} }

// Reset resets the connection: the client gets an error. On the in-memory network it first reads the bytes sent before;
// a TCP reset may discard them. Over HTTP/2 only the stream is reset.
func Reset() Step { return Step{func(*player) error { return errReset }} }

// End ends the answer cleanly, as after its last step. It also ends [Forever].
func End() Step { return Step{func(*player) error { return errEnd }} }

func sequence(steps []Step) Step {
	return Step{func(p *player) error { return p.play(steps) }}
}
