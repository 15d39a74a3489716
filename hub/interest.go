package hub

import (
	"strings"
	"sync"
	"sync/atomic"

	"github.com/tidings-sse/tidings/eventlog"
)

// interest knows who wants what: topics by name in a map, patterns in a tree of their segments. What it costs to find out who
// wants an event depends on its topics and those who want them, not on how many there are.
type interest struct {
	mu     sync.Mutex // guards the following
	topics map[string]set
	tree   branch
	all    set // subscribers, whatever they want

	settled atomic.Pointer[eventlog.Position] // whoever wants an event up to here has been woken
}

type set map[*subscriber]struct{}

// branch is what follows after some segments.
type branch struct {
	here set // patterns that end here,
	rest set // or with ** after this
	next map[string]*branch
}

func newInterest(at eventlog.Position) *interest {
	in := &interest{topics: make(map[string]set), all: make(set)}
	in.settled.Store(&at)
	return in
}

// add enters a subscriber. Every event that comes into the window later wakes it if it is wanted.
func (in *interest) add(s *subscriber) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.all[s] = struct{}{}
	for _, name := range s.names {
		of := in.topics[name]
		if of == nil {
			of = make(set)
			in.topics[name] = of
		}
		of[s] = struct{}{}
	}
	for _, p := range s.patterns {
		in.tree.add(p.String(), s)
	}
}

// remove takes a subscriber out.
func (in *interest) remove(s *subscriber) {
	in.mu.Lock()
	defer in.mu.Unlock()
	delete(in.all, s)
	for _, name := range s.names {
		of := in.topics[name]
		if delete(of, s); len(of) == 0 {
			delete(in.topics, name)
		}
	}
	for _, p := range s.patterns {
		in.tree.remove(p.String(), s)
	}
}

// wake wakes everybody who wants a record.
func (in *interest) wake(r *eventlog.Record) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, topic := range r.Topics {
		for s := range in.topics[topic] {
			s.wake(r.Seq)
		}
		in.tree.wake(topic, r.Seq, true)
	}
}

// wakeAll wakes everybody, who then has to look for what comes next by itself.
func (in *interest) wakeAll() {
	in.mu.Lock()
	defer in.mu.Unlock()
	for s := range in.all {
		s.wake(0)
	}
}

func (b *branch) add(pattern string, s *subscriber) {
	segment, rest, more := strings.Cut(pattern, "/")
	if segment == "**" {
		if b.rest == nil {
			b.rest = make(set)
		}
		b.rest[s] = struct{}{}
		return
	}
	if b.next == nil {
		b.next = make(map[string]*branch)
	}
	next := b.next[segment]
	if next == nil {
		next = &branch{}
		b.next[segment] = next
	}
	if more {
		next.add(rest, s)
		return
	}
	if next.here == nil {
		next.here = make(set)
	}
	next.here[s] = struct{}{}
}

// remove reports whether nothing is left of the branch.
func (b *branch) remove(pattern string, s *subscriber) (bare bool) {
	segment, rest, more := strings.Cut(pattern, "/")
	if segment == "**" {
		delete(b.rest, s)
	} else if next := b.next[segment]; next != nil {
		if more {
			next.remove(rest, s)
		} else {
			delete(next.here, s)
		}
		if next.bare() {
			delete(b.next, segment)
		}
	}
	return b.bare()
}

func (b *branch) bare() bool { return len(b.here)+len(b.rest)+len(b.next) == 0 }

// wake wakes those whose pattern matches what is left of a topic, as [eventlog.Pattern] says.
func (b *branch) wake(topic string, seq uint64, first bool) {
	reserved := first && eventlog.Reserved(topic)
	if !reserved {
		for s := range b.rest {
			s.wake(seq)
		}
	}
	segment, rest, more := strings.Cut(topic, "/")
	for _, wanted := range [2]string{segment, "*"} {
		next := b.next[wanted]
		switch {
		case next == nil || wanted == "*" && reserved:
		case more:
			next.wake(rest, seq, false)
		default:
			for s := range next.here {
				s.wake(seq)
			}
			for s := range next.rest { // a/** matches a
				s.wake(seq)
			}
		}
	}
}
