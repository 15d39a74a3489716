package main

import (
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/tidings-sse/tidings/sse"
)

// feed is the demo's event log: the newest frames of one run in one order, each encoded once and shared by all who
// follow.
//
// Followers have a cursor and no queue. So a slow one costs nobody anything: the feed does not know it, and when
// its write has waited too long its connection is cut. It comes back with the position of its last event and reads on
// from there. Only what has left the window is lost, and then it is told so.
type feed struct {
	gen string // of this run

	mu     sync.Mutex // guards the following
	window []sse.Frame
	head   uint64        // sequence number of the newest frame, which is window[(head-1) % keptFrames]
	moved  chan struct{} // closed, and replaced, when head moves; left closed at the end
	ended  bool
}

const (
	// keptFrames are five minutes at three events a second, for a quarter of a megabyte.
	keptFrames = 3 * 5 * 60

	// batch is how many frames a follower that is behind takes at once, so that its buffer stays small.
	batch = 64
)

func newFeed() *feed {
	return &feed{gen: strings.ToLower(rand.Text()[:5]), moved: make(chan struct{})}
}

// append adds an event. After the end it does nothing. It refuses nothing: the types are constants of this program.
func (f *feed) append(typ, data string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		return
	}
	frame, _ := sse.Event{Type: typ, Data: data, ID: f.position(f.head + 1)}.Frame()
	if len(f.window) < keptFrames {
		f.window = append(f.window, frame)
	} else {
		f.window[f.head%keptFrames] = frame
	}
	f.head++
	close(f.moved)
	f.moved = make(chan struct{})
}

// end lets every follower read what there is, and then leave.
func (f *feed) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.ended {
		f.ended = true
		close(f.moved)
	}
}

// read returns the next frames after a sequence number, at most a batch. A positive lost says that as many before
// them have left the window. Without frames there is either a channel that is closed when there are more, or the
// feed has ended and moved is nil.
func (f *feed) read(after uint64) (frames []sse.Frame, lost uint64, moved <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if oldest := f.head - uint64(len(f.window)); after < oldest {
		lost = oldest - after
		after = oldest
	}
	for n := after; n < f.head && len(frames) < batch; n++ {
		frames = append(frames, f.window[n%keptFrames])
	}
	if f.ended {
		return frames, lost, nil
	}
	return frames, lost, f.moved
}

// start returns where a follower begins whose last event ID is id. An id of this run goes on behind it; any
// other begins now, and known says whether that is what the follower expects.
func (f *feed) start(id string) (after uint64, known bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	gen, number, _ := strings.Cut(id, "-")
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil || gen != f.gen || n > f.head {
		return f.head, id == ""
	}
	return n, true
}

// position names the frame with a sequence number: <gen>-<seq>, the event's id on the wire.
func (f *feed) position(n uint64) string { return fmt.Sprintf("%s-%d", f.gen, n) }

// follow sends a stream everything after a start to the feed's end. Besides the events there are two of ours,
// with names that no onmessage ever sees: tidings.checkpoint, an id before the first event so that even a connection
// that breaks before it resumes exactly; and tidings.gap, which says that something cannot be had any more.
func (f *feed) follow(s *sse.Stream, at uint64, known bool) error {
	id := s.LastEventID()
	if !known {
		if err := s.SendJSON("tidings.gap", gap{"reset", id, f.position(at)}); err != nil {
			return err
		}
	}
	if id != f.position(at) {
		if err := s.Send(sse.Event{Type: "tidings.checkpoint", ID: f.position(at)}); err != nil {
			return err
		}
	}
	for {
		frames, lost, moved := f.read(at)
		if lost > 0 {
			if err := s.SendJSON("tidings.gap", gap{"trimmed", f.position(at), f.position(at + lost)}); err != nil {
				return err
			}
			at += lost
		}
		switch {
		case len(frames) > 0:
			if err := s.SendFrame(frames...); err != nil {
				return err
			}
			at += uint64(len(frames))
		case moved == nil:
			return nil
		default:
			select {
			case <-moved:
			case <-s.Context().Done():
				return nil
			}
		}
	}
}

// gap is the data of a tidings.gap event: what came after From, up to and with To, is gone.
type gap struct {
	Reason string `json:"reason"` // reset: From is of another run; trimmed: From is too old
	From   string `json:"from"`
	To     string `json:"to"`
}
