package sse_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/tidings-sse/tidings/sse"
)

func ExampleHandler() {
	http.Handle("/clock", sse.Handler(nil, func(s *sse.Stream) error {
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		for {
			if err := s.Send(sse.Event{Data: time.Now().Format(time.TimeOnly)}); err != nil {
				return err
			}
			select {
			case <-ticker.C:
			case <-s.Context().Done():
				return nil
			}
		}
	}))
}

// Serves a finite stream that clients can resume. At its end it tells them to stop reconnecting.
func ExampleHandler_resume() {
	lines := []string{"one", "two", "three"}
	server := httptest.NewServer(sse.Handler(&sse.Options{Retry: time.Millisecond}, func(s *sse.Stream) error {
		next := 0
		if id := s.LastEventID(); id != "" {
			if _, err := fmt.Sscan(id, &next); err != nil {
				return &sse.StatusError{Code: http.StatusBadRequest, Message: "Last-Event-ID is no number"}
			}
		}
		if next >= len(lines) {
			return sse.ErrStop
		}
		return s.Send(sse.Event{ID: fmt.Sprint(next + 1), Data: lines[next]})
	}))
	defer server.Close()

	// Each connection delivers one line. The client reconnects for the next one until the server answers 204.
	for event, err := range sse.Subscribe(context.Background(), server.URL) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(event.ID, event.Data)
	}
	// Output:
	// 1 one
	// 2 two
	// 3 three
}

func ExampleDecoder() {
	d := sse.NewDecoder(strings.NewReader("event: add\ndata: 1\n\ndata: 2\ndata: 3\n\n"), nil)
	for d.Next() {
		fmt.Printf("%s %q\n", d.Type(), d.Data())
	}
	if err := d.Err(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// add "1"
	// message "2\n3"
}

// Reads the answer of a language model. It is complete only if the final event [DONE] arrived.
func ExampleJSON() {
	stream := "data: {\"text\": \"Hel\"}\n\ndata: {\"text\": \"lo\"}\n\n" // here the connection broke
	type delta struct{ Text string }
	events := sse.Read(strings.NewReader(stream), nil)
	for m, err := range sse.JSON[delta](events, &sse.JSONOptions{Done: sse.WithData("[DONE]"), Error: sse.ErrorMember}) {
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Println(m.Value.Text)
	}
	// Output:
	// Hel
	// lo
	// sse: stream ended too early: the final event did not arrive
}

func ExampleEvent_Frame() {
	frame, err := sse.Event{Type: "price", Data: "17"}.Frame()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%q, %d bytes for any number of receivers\n", frame, frame.Len())
	// Output: "event: price\ndata: 17\n\n", 23 bytes for any number of receivers
}
