package hub

import (
	"time"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/sse"
)

// subscriber is a stream: what it wants, where it is, and how its bytes leave. There is no queue.
//
// A shard owns it, but while it is catching up, when a replayer does, and those that have a goroutine of their own (see
// runner), of which the shard knows only that they are there.
type subscriber struct {
	shard *shard
	group *group
	stage stage
	place int // in the list of the group that it is in

	at        eventlog.Position // everything up to here was sent. While it is live that is where the shard is
	sent      uint64            // number in its last id, unless group.sent is newer
	failOnGap bool
	ages      bool // end is that of Options.MaxAge, which comes before that of its token
	leaving   bool // an administrator has closed it

	grant  *access.Grant
	from   address
	opened int64 // when, in µs since 1970; no two of a hub have the same, so that it is a name, too

	ended func(StreamEnd) // is told in the end; nil: nobody
	bytes int64           // that have left. While it is live those of its group come on top

	due       int64 // tick at which it is looked at; 0: never
	dueAt     int   // where in the wheel's slot
	wrote     int64 // tick at which it took something last, unless group.wrote is newer
	warn, end int64 // ticks at which its token is about to end, and at which it or the stream's life ends; 0: never

	// Those whose bytes the shard sends:
	fd       int32
	slot     int32   // at the poller
	watched  bool    // the poller tells when it can take more
	stray    int     // bytes that came after the request
	rest     piece   // what is left of a piece that was sent in part
	last     bool    // nothing comes after rest
	moved    bool    // it has taken something since the shard looked last
	writable bool    // it can take more; set while a replayer has it
	doomed   reason  // it is to be closed; set while a replayer has it
	cursor   *cursor // while it is not live

	// The others:
	runner *runner
}

// stage is what a subscriber is to its shard.
type stage uint8

const (
	fresh    stage = iota
	catching       // a replayer has it
	stalled        // it takes no more at the moment
	ahead          // it has read in the log what the window does not have yet
	current        // it is live
	waiting        // it has a runner
	closed
)

func (s stage) String() string {
	return [...]string{"new", "catching up", "stalled", "ahead", "live", "live", "closed"}[s]
}

// reason is why a stream ended.
type reason uint8

const (
	stays     reason = iota
	gone             // the client has left
	complete         // everything was sent that can ever come
	drained          // the hub stops
	slow             // it took nothing for too long
	expired          // its token has ended
	revoked          // its token is not accepted any more
	failed           // the log cannot be read
	dismissed        // an administrator has closed it
	aged             // it has reached Options.MaxAge
	reasons
)

func (r reason) String() string {
	return [reasons]string{"open", "gone", "complete", "drained", "slow", "expired", "revoked", "failed", "closed", "aged"}[r]
}

// cut returns what is left when n bytes of some pieces have left, and up to where everything has then; from, if that is nothing.
// What is left of an event of which nothing has left is not kept: a cursor makes it again.
func cut(pieces []piece, n int, from uint64) (rest piece, at uint64) {
	at = from
	for _, p := range pieces {
		if n < len(p.text) {
			if n > 0 || p.begun || p.told {
				p.text, p.begun = p.text[n:], true
				return p, p.at
			}
			return piece{}, at
		}
		n -= len(p.text)
		at = p.at
	}
	return piece{}, at
}

// push sends what is left of before, or if that is nothing, some pieces. It reports whether all of that has left, and up to where
// everything has. An error means that the client has gone.
func (s *subscriber) push(b *[]byte, from uint64, pieces []piece) (all bool, at uint64, err error) {
	if s.rest.text != "" {
		pieces = []piece{s.rest}
	}
	*b = (*b)[:0]
	for i := range pieces {
		*b = append(*b, pieces[i].text...)
	}
	if len(*b) == 0 {
		return true, from, nil
	}
	n, err := send(s.fd, *b)
	if err != nil {
		return false, from, err
	}
	s.moved = s.moved || n > 0
	s.bytes += int64(n)
	s.shard.hub.count.sent(1, eventsUpTo(pieces, n), n)
	s.rest, at = cut(pieces, n, from)
	return n == len(*b), at, nil
}

// eventsIn returns how many of some pieces are events, and eventsUpTo how many of those that n bytes hold whole.
func eventsIn(pieces []piece) (events int) {
	for i := range pieces {
		if !pieces[i].told {
			events++
		}
	}
	return events
}

func eventsUpTo(pieces []piece, n int) int {
	whole := 0
	for whole < len(pieces) && n >= len(pieces[whole].text) {
		n -= len(pieces[whole].text)
		whole++
	}
	return eventsIn(pieces[:whole])
}

// lastPiece is what a stream ends with that its client is to come back to: a checkpoint at the position that it has
// reached, with a reconnection time.
func lastPiece(f form, at eventlog.Position) piece {
	last := checkpointAt(at, jitter(retryLeast/2, retryMost))
	return piece{text: string(appendControl(nil, f, last, time.Now())), at: at.Seq, told: true}
}

// expiringPiece says that the token ends soon.
func expiringPiece(f form, at uint64, end time.Time) piece {
	data := struct {
		Expires time.Time `json:"expires"`
	}{end.UTC().Truncate(time.Second)}
	return piece{text: string(appendControl(nil, f, sse.Event{Type: expiringType, Data: controlData(data)}, time.Now())), at: at, told: true}
}
