package sse_test

import (
	"net/http"
	"sync"

	"github.com/tidings-sse/tidings/sse"
)

// Room sends each message to all listeners. It encodes each event once. It ends the stream of a listener that is too
// slow; the listener's browser reconnects.
type Room struct {
	mu        sync.Mutex // guards the following
	listeners map[chan sse.Frame]bool
}

// Say sends text to all listeners.
func (r *Room) Say(text string) error {
	frame, err := sse.Event{Data: text}.Frame()
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for l := range r.listeners {
		select {
		case l <- frame:
		default: // its buffer is full
			delete(r.listeners, l)
			close(l)
		}
	}
	return nil
}

func (r *Room) listen(s *sse.Stream) error {
	if err := s.Flush(); err != nil { // opens the browser's connection before the first message
		return err
	}
	frames := make(chan sse.Frame, 16)
	r.mu.Lock()
	r.listeners[frames] = true
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		delete(r.listeners, frames)
		r.mu.Unlock()
	}()
	for {
		select {
		case frame, ok := <-frames:
			if !ok {
				return nil
			}
			if err := s.SendFrame(frame); err != nil {
				return err
			}
		case <-s.Context().Done():
			return nil
		}
	}
}

// Sends each event to many clients.
func ExampleHandler_broadcast() {
	room := &Room{listeners: make(map[chan sse.Frame]bool)}
	http.Handle("GET /events", sse.Handler(nil, room.listen))
	http.HandleFunc("POST /say", func(w http.ResponseWriter, r *http.Request) {
		if err := room.Say(r.FormValue("text")); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	})
}
