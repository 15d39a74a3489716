package hub

import (
	"strings"

	"github.com/tidings-sse/tidings/eventlog"
)

// interest knows who wants what: topics by name in a map, patterns in a tree of their segments. What it costs to find out who
// wants an event depends on its topics and on the subscriptions that want them, not on how many there are. It belongs to a
// shard.
type interest struct {
	topics map[string]*set
	tree   branch
}

// set is a set of groups. Most have one.
type set struct {
	one  *group
	more map[*group]struct{} // with one, from two on
}

func (s *set) add(g *group) {
	switch {
	case s.more != nil:
		s.more[g] = struct{}{}
	case s.one == nil:
		s.one = g
	default:
		s.more = map[*group]struct{}{s.one: {}, g: {}}
		s.one = nil
	}
}

func (s *set) remove(g *group) {
	if s.one == g {
		s.one = nil
	}
	if delete(s.more, g); len(s.more) == 0 {
		s.more = nil
	}
}

func (s *set) empty() bool { return s.one == nil && s.more == nil }

func (s *set) each(f func(*group)) {
	if s.one != nil {
		f(s.one)
	}
	for g := range s.more {
		f(g)
	}
}

// branch is what follows after some segments.
type branch struct {
	here set // patterns that end here,
	rest set // or with ** after this
	next map[string]*branch
}

// add enters a group.
func (in *interest) add(g *group) {
	if in.topics == nil {
		in.topics = make(map[string]*set)
	}
	for _, name := range g.names {
		of := in.topics[name]
		if of == nil {
			of = new(set)
			in.topics[name] = of
		}
		of.add(g)
	}
	for _, p := range g.patterns {
		in.tree.add(p.String(), g)
	}
}

// remove takes a group out.
func (in *interest) remove(g *group) {
	for _, name := range g.names {
		of := in.topics[name]
		if of == nil {
			continue // a name that is there twice
		}
		if of.remove(g); of.empty() {
			delete(in.topics, name)
		}
	}
	for _, p := range g.patterns {
		in.tree.remove(p.String(), g)
	}
}

// each calls f with every group that wants a record, with some of them more than once.
func (in *interest) each(r *eventlog.Record, f func(*group)) {
	for _, topic := range r.Topics {
		if of := in.topics[topic]; of != nil {
			of.each(f)
		}
		in.tree.each(topic, true, f)
	}
}

func (b *branch) add(pattern string, g *group) {
	segment, rest, more := strings.Cut(pattern, "/")
	if segment == "**" {
		b.rest.add(g)
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
		next.add(rest, g)
		return
	}
	next.here.add(g)
}

// remove takes a group out, and the branches that are bare then.
func (b *branch) remove(pattern string, g *group) {
	segment, rest, more := strings.Cut(pattern, "/")
	if segment == "**" {
		b.rest.remove(g)
		return
	}
	next := b.next[segment]
	if next == nil {
		return
	}
	if more {
		next.remove(rest, g)
	} else {
		next.here.remove(g)
	}
	if next.bare() {
		delete(b.next, segment)
	}
}

func (b *branch) bare() bool { return b.here.empty() && b.rest.empty() && len(b.next) == 0 }

// each calls f with those whose pattern matches what is left of a topic, as [eventlog.Pattern] says.
func (b *branch) each(topic string, first bool, f func(*group)) {
	reserved := first && eventlog.Reserved(topic)
	if !reserved {
		b.rest.each(f)
	}
	if len(b.next) == 0 {
		return
	}
	segment, rest, more := strings.Cut(topic, "/")
	for _, wanted := range [2]string{segment, "*"} {
		next := b.next[wanted]
		switch {
		case next == nil || wanted == "*" && reserved:
		case more:
			next.each(rest, false, f)
		default:
			next.here.each(f)
			next.rest.each(f) // a/** matches a
		}
	}
}
