package hub

import (
	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/internal/patterns"
)

// interest is a shard's index of which groups want which topics: names in a map, patterns in a tree. The cost of a lookup depends on
// the topics of the event and on the subscriptions that match them, not on the number of subscriptions.
type interest struct {
	topics map[string]*set
	tree   patterns.Tree[set]
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

// remove takes a group out, and reports whether the set is empty then.
func (s *set) remove(g *group) (empty bool) {
	if s.one == g {
		s.one = nil
	}
	if delete(s.more, g); len(s.more) == 0 {
		s.more = nil
	}
	return s.one == nil && s.more == nil
}

func (s *set) each(f func(*group)) {
	if s.one != nil {
		f(s.one)
	}
	for g := range s.more {
		f(g)
	}
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
		in.tree.At(p.String()).add(g)
	}
}

// remove takes a group out.
func (in *interest) remove(g *group) {
	for _, name := range g.names {
		of := in.topics[name]
		if of == nil {
			continue // a name that is there twice
		}
		if of.remove(g) {
			delete(in.topics, name)
		}
	}
	for _, p := range g.patterns {
		if of := in.tree.At(p.String()); of.remove(g) {
			in.tree.Delete(p.String())
		}
	}
}

// each calls f with every group that wants a record, with some of them more than once. It returns what that took, in lookups of names
// and steps in the tree.
func (in *interest) each(r *eventlog.Record, f func(*group)) (steps int) {
	every := func(of *set) bool {
		of.each(f)
		return true
	}
	for _, topic := range r.Topics {
		if of := in.topics[topic]; of != nil {
			of.each(f)
		}
		steps += 1 + in.tree.Match(topic, every)
	}
	return steps
}
