package hub_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/hub"
	"github.com/tidings-sse/tidings/sse"
)

const lagSize, lagEvents = 100_000, 400 // more than sockets and flow control hold

// publishBacklog publishes more events than a slow consumer reads.
func (s *site) publishBacklog() (filler string) {
	s.Helper()
	filler = strings.Repeat("x", lagSize)
	for i := range lagEvents {
		s.hubPublish(hub.Event{Topics: []string{"news"}, Data: fmt.Sprint(i) + filler})
	}
	return filler
}

// TestSlowConsumerIsDisconnectedBeyondMaxLag: it misses nothing when it reconnects. The lag counts from the runner's cursor, also if the
// runner wakes up late.
func TestSlowConsumerIsDisconnectedBeyondMaxLag(t *testing.T) {
	t.Parallel()
	each(t, &hub.Options{WriteTimeout: patience, MaxLag: 1_000_000}, func(s *site) {
		resp := s.openUnread("/events/news", nil)
		await(s.T, "the stream is open", func() bool { return s.hub.Adopted() == 1 })
		filler := s.publishBacklog()
		d := sse.NewDecoder(resp.Body, nil)
		next, last := 0, ""
		for d.Next() {
			e := d.Event()
			if e.Type == sse.DefaultType {
				if e.Data != fmt.Sprint(next)+filler {
					s.Fatalf("event %d is %.20q", next, e.Data)
				}
				next++
			}
			last = e.ID
		}
		if d.Err() != nil {
			s.Logf("cut off: %v", d.Err())
		}
		if next == lagEvents {
			s.Fatal("the slow consumer was not disconnected")
		}
		f := s.follow("/events/news", map[string]string{"Last-Event-ID": last})
		for ; next < lagEvents; next++ {
			f.want(fmt.Sprint(next) + filler)
		}
	})
}

// TestSlowConsumerSkipsToTheNewestEventWithSkipSlow: it gets a gap, then the newest event.
func TestSlowConsumerSkipsToTheNewestEventWithSkipSlow(t *testing.T) {
	t.Parallel()
	each(t, &hub.Options{WriteTimeout: patience, MaxLag: 1_000_000, SkipSlow: true}, func(s *site) {
		resp := s.openUnread("/events/news", nil)
		await(s.T, "the stream is open", func() bool { return s.hub.Adopted() == 1 })
		filler := s.publishBacklog()
		d := sse.NewDecoder(resp.Body, nil)
		next, gaps := 0, 0
		for next < lagEvents {
			if !d.Next() {
				s.Fatalf("the stream ends after %d: %v", next, d.Err())
			}
			switch e := d.Event(); e.Type {
			case sse.DefaultType:
				if e.Data != fmt.Sprint(next)+filler {
					s.Fatalf("event %d is %.20q", next, e.Data)
				}
				next++
			case "tidings.gap":
				var g gap
				if err := json.Unmarshal([]byte(e.Data), &g); err != nil || g.Reason != "lag" {
					s.Fatalf("%s: %v", e.Data, err)
				}
				var gen string
				if _, err := fmt.Sscanf(strings.Replace(g.To, "-", " ", 1), "%s %d", &gen, &next); err != nil {
					s.Fatal(err)
				}
				gaps++
			}
		}
		if gaps == 0 {
			s.Error("the slow consumer got every event")
		}
		s.post("news", "live")
		for d.Next() {
			if e := d.Event(); e.Data == "live" {
				return
			}
		}
		if err := d.Err(); err != nil && !errors.Is(err, io.EOF) {
			s.Error(err)
		}
		s.Error("the slow consumer is not live")
	})
}
