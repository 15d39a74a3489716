// Package presence knows who is present at topics: which subjects have open streams that asked to be seen.
//
//	stream opens ─▶ Join ─▶ topic: members ─▶ changes ─▶ Tick ─▶ Options.Tell ─▶ streams that watch
//	stream ends  ─▶ Leave ─▶ grace ──────────▲    │
//	                                              └─▶ State, for a stream that begins to watch or has missed a message
//
// # Promises
//
// Presence is state: it is never in the log, and the latest state is enough. A watcher that has missed a message gets the whole state.
//
// A subject is one member of a topic, however many streams it has. It leaves [Grace] after its last stream has ended, so that a reconnection
// shows neither a leave nor a join.
//
// A table is settling for [Grace] after its start, and after a time without service. Members come back meanwhile, and nobody leaves who was
// present before: no grace runs out between the end of the service and the end of settling.
//
// A table that lacks news of another hub of a cluster waits for them: no grace runs out, nobody leaves, and settling does not end, for patience
// ticks at most.
//
// The watchers of a topic get one message for all changes of a tick. A tick takes longer the more watchers there are, so that the messages
// of a topic stay below 100 a second up to 3,000 watchers, and grow with a thirtieth of the watchers from there on, whatever the rate of joins.
//
// No call holds the lock for longer than the work on the topics of one stream, on one page, on one message, or on some hundred members takes.
//
// The package knows no HTTP and no connections.
package presence

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/tidings-sse/tidings/internal/wire"
)

const (
	// Grace is the time after which a subject without a stream leaves. Clients reconnect within 2 to 5 seconds.
	Grace = 15 * time.Second

	// Listed is the number of members up to which messages name them. Telling n members of n joins costs n² messages.
	Listed = 100

	tick        = time.Second
	longestTick = 30  // ticks between two messages about a topic
	perTick     = 100 // watchers that make the time between two messages a tick longer
)

// DefaultMaxMembers is the default of [Options.MaxMembers].
const DefaultMaxMembers = 1_000_000

var (
	// ErrFull is the error of [Table.Join] when there are as many members as the limit.
	ErrFull = errors.New("presence: the limit of members is reached")

	// ErrShare is the error of [Table.Join] when one holder has as many members as its share of the limit.
	ErrShare = errors.New("presence: the share of the limit of members is used up")
)

// Options are the settings of a [Table].
type Options struct {
	// MaxMembers limits the members of all topics together, those that are about to leave included. A subject counts once for each of its
	// topics. One holder gets a part of them, see [Options.Share].
	MaxMembers int

	// Tell is called with each message for the watchers of a topic, the data of a presence event. Messages have rising versions: see
	// [Topic.State]. Calls come one after the other. Tell must not call the table.
	Tell func(t *Topic, version uint64, data string)

	// Shared says that the caller sends [Table.NextPart] to other hubs.
	Shared bool

	// Isolated is how long a hub that has lost the others keeps its streams.
	Isolated time.Duration

	// Serving reports whether the hub accepts streams. Each tick asks it. Nil: always
	Serving func() bool
}

// Table knows the members of all topics. It is safe for concurrent use.
type Table struct {
	opts Options

	mu      sync.Mutex // guards the following, and the fields of topics and members
	topics  map[string]*Topic
	names   ordered[*Topic] // the same topics
	members int             // of all topics, at this hub
	quotas  map[string]*quota
	present int   // members of all topics, at any hub
	now     int64 // ticks so far
	graces  int64 // ticks so far, without those while graces are held
	held    bool  // no grace runs out: the hub has not served, and is settling
	waiting bool  // no grace runs out: another hub may have members of which this one has not heard yet
	leaving leaving
	revoked bool     // grants were revoked since the last tick
	changed []*Topic // topics that are watched and whose watchers must be told

	sharing sharing
	sources map[string]*source // other hubs, by instance
	swept   bool               // topics may be left of which nothing is to know

	settled  bool   // subjects that were here before a restart, or a time without service, have had the time to come back
	settleAt int64  // the tick at which that is so
	told     uint64 // messages
}

// New returns an empty table. Until [Grace] has passed, its messages say that they may lack members.
func New(o Options) *Table {
	if o.Serving == nil {
		o.Serving = func() bool { return true }
	}
	return &Table{opts: o, topics: make(map[string]*Topic), quotas: make(map[string]*quota), settleAt: int64(Grace / tick)}
}

// Run calls [Table.Tick] every second until ctx ends.
func (t *Table) Run(ctx context.Context) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			t.Tick()
		case <-ctx.Done():
			return
		}
	}
}

// Tick lets members leave whose grace is over, and tells the watchers of topics that have changed. Time counts in ticks: while a process is
// stopped, no grace runs out. Calls must not overlap.
func (t *Table) Tick() {
	t.nextTick()
	t.expireRevoked()
	for t.expire() {
	}
	t.visitSources()
	t.settle()
	for changed := t.takeChanged(); len(changed) > 0; {
		n := min(step, len(changed))
		for _, topic := range t.due(changed[:n]) {
			t.tell(topic)
		}
		clear(changed[:n])
		changed = changed[n:]
	}
}

func (t *Table) nextTick() {
	serving := t.opts.Serving()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.now++
	if !serving {
		t.settled, t.held, t.settleAt = false, true, t.now+int64(Grace/tick)
	}
	if t.await(); !t.held && !t.waiting {
		t.graces++
	}
}

// settle ends the time of settling. All watchers get a message in this tick, whatever the pause of their topic: the whole state, or numbers if
// there are many members.
func (t *Table) settle() {
	t.mu.Lock()
	over := !t.settled && t.now >= t.settleAt && !t.waiting
	if over {
		t.settled, t.held = true, false
	}
	t.mu.Unlock()
	if !over {
		return
	}
	t.eachTopic(func(topic *Topic) {
		topic.whole = true
		topic.toldAt = t.now - longestTick
		topic.touch()
	})
}

// step is how many topics or members a goroutine visits while it holds the lock.
const step = 500

// eachTopic calls f with all topics, holding the lock. Between some of the calls it lets others have the lock; topics that appear or vanish
// meanwhile may be left out.
func (t *Table) eachTopic(f func(*Topic)) {
	for after, more := "", true; more; {
		t.mu.Lock()
		more = false
		n := 0
		for topic := range t.names.after(after) {
			if n++; n > step {
				more = true
				break
			}
			after = topic.name
			f(topic)
		}
		t.mu.Unlock()
	}
}

// eachMember calls f with all members, holding the lock, and lets others have it now and then, as eachTopic does. f may drop the member.
func (t *Table) eachMember(f func(*Topic, *member)) {
	page := make([]*member, 0, step)
	for name, subject := "", ""; ; {
		t.mu.Lock()
		topic := t.topics[name]
		if topic == nil || subject == "" {
			if topic = t.topicAfter(name); topic == nil {
				t.mu.Unlock()
				return
			}
			name = topic.name
		}
		page = page[:0]
		for m := range topic.members.after(subject) {
			if page = append(page, m); len(page) == step {
				break
			}
		}
		subject = ""
		if len(page) == step {
			subject = page[step-1].subject
		}
		for _, m := range page {
			f(topic, m)
		}
		t.mu.Unlock()
	}
}

// forgetAll forgets the topics of which nothing is left to know after members of other hubs were dropped.
func (t *Table) forgetAll() {
	t.mu.Lock()
	swept := t.swept
	t.swept = false
	t.mu.Unlock()
	if !swept {
		return
	}
	var empty []*Topic
	t.eachTopic(func(topic *Topic) {
		if topic.empty() {
			empty = append(empty, topic)
		}
	})
	for _, topic := range empty {
		t.mu.Lock()
		t.forget(topic)
		t.mu.Unlock()
	}
}

// Count is how many streams and subjects are present at a topic. Streams without a subject count only as streams.
type Count struct {
	Streams, Subjects int
}

// Totals are the numbers of a table.
type Totals struct {
	Topics  int    // with members, streams that asked to be seen, or watchers
	Members int    // of all topics
	Told    uint64 // messages about topics since the start, each for all watchers of its topic
}

// Totals returns the numbers of the table.
func (t *Table) Totals() Totals {
	t.mu.Lock()
	defer t.mu.Unlock()
	return Totals{len(t.topics), t.present, t.told}
}

// wire returns the JSON form of a member.
func (m *member) wire() wire.Member { return m.last().wire(m.subject) }

func (s said) wire(subject string) wire.Member {
	made := wire.Member{Subject: subject}
	if s.data != "" {
		made.Data = []byte(s.data)
	}
	return made
}
