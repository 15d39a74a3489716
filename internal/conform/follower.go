package conform

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/tidings-sse/tidings/sse"
)

// follower reads a stream.
type follower struct {
	header http.Header
	events chan sse.Event // of type message; closed at the end of the stream
	stop   context.CancelFunc
	ctx    context.Context
	wait   time.Duration
	err    error // set before events is closed

	mu   sync.Mutex // guards the following field
	text bytes.Buffer
}

func (s Server) follow(ctx context.Context, lastEventID string) (*follower, error) {
	ctx, stop := context.WithCancel(ctx)
	resp, err := s.get(ctx, lastEventID) //nolint:bodyclose // the goroutine closes it
	if err != nil {
		stop()
		return nil, err
	}
	f := &follower{header: resp.Header, events: make(chan sse.Event, 1000), stop: stop, ctx: ctx, wait: s.Wait}
	go func() {
		defer close(f.events)
		defer func() { _ = resp.Body.Close() }()
		for e, err := range sse.Read(io.TeeReader(resp.Body, f), nil) {
			if err != nil {
				f.err = err
				return
			}
			text, ok := s.text(e.Data)
			if e.Type != "message" || !ok { // control events of the server
				continue
			}
			e.Data = text
			select {
			case f.events <- e:
			case <-ctx.Done():
				return
			}
		}
	}()
	return f, nil
}

// Write keeps the bytes of the stream.
func (f *follower) Write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.text.Write(b)
}

func (f *follower) read() []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	return bytes.Clone(f.text.Bytes())
}

func (f *follower) close()       { f.stop() }
func (f *follower) closed() bool { return f.ctx.Err() != nil }

// ended reports whether the stream has ended and all its events were taken.
func (f *follower) ended() bool {
	select {
	case _, ok := <-f.events:
		return !ok
	default:
		return false
	}
}

// next returns the next event.
func (f *follower) next(ctx context.Context) (sse.Event, error) {
	select {
	case e, ok := <-f.events:
		if !ok {
			return e, errors.Join(errors.New("the stream ends"), f.err)
		}
		return e, nil
	case <-time.After(f.wait):
		return sse.Event{}, fmt.Errorf("no event in %v", f.wait)
	case <-ctx.Done():
		return sse.Event{}, ctx.Err()
	}
}

// expect returns an error unless the next event has this data.
func (f *follower) expect(ctx context.Context, data string) error {
	e, err := f.next(ctx)
	if err == nil && e.Data != data {
		err = fmt.Errorf("the event is %s, want %s", brief(e), brief(sse.Event{Type: "message", Data: data}))
	}
	return err
}

// until waits for an event with this data.
func (f *follower) until(ctx context.Context, data string) error {
	for {
		if e, err := f.next(ctx); err != nil || e.Data == data {
			return err
		}
	}
}
