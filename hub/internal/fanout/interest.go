package fanout

import (
	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/internal/patterns"
)

// interest is a shard's index from topics to the groups that want them. Names are in a map, native patterns in a tree, and other matchers
// under the literal prefix of their topics. The cost of a lookup does not depend on the number of subscriptions. It depends on the names and
// patterns that match, and on the other matchers whose prefix matches. Filters are not part of the index. After the lookup, a pass calls a
// group's filter once for each event.
type interest struct {
	topics   map[string]*set
	tree     patterns.Tree[set]
	prefixes map[string][]rule
	lengths  map[int]int // of prefixes: how many there are of each length
}

// rule is a matcher that is no native pattern, of one group.
type rule struct {
	matcher eventlog.Matcher
	group   *group
}

// matchSteps is the assumed cost of calling a matcher that is no native pattern, in lookups of a name.
const matchSteps = 16

// set is a set of groups. Most have one.
type set struct {
	one  *group
	more map[*group]struct{} // replaces one when the set has two groups
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

// remove removes a group, and reports whether the set is empty then.
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

func (in *interest) add(g *group) {
	if in.topics == nil {
		in.topics = make(map[string]*set)
	}
	for _, name := range g.selector.Names() {
		of := in.topics[name]
		if of == nil {
			of = new(set)
			in.topics[name] = of
		}
		of.add(g)
	}
	for _, m := range g.selector.Matchers() {
		if p, ok := m.(eventlog.Pattern); ok {
			in.tree.At(p.String()).add(g)
		} else {
			in.addRule(m, g)
		}
	}
}

func (in *interest) addRule(m eventlog.Matcher, g *group) {
	if in.prefixes == nil {
		in.prefixes, in.lengths = make(map[string][]rule), make(map[int]int)
	}
	prefix := m.Prefix()
	if len(in.prefixes[prefix]) == 0 {
		in.lengths[len(prefix)]++
	}
	in.prefixes[prefix] = append(in.prefixes[prefix], rule{m, g})
}

func (in *interest) remove(g *group) {
	for _, name := range g.selector.Names() {
		if of := in.topics[name]; of != nil && of.remove(g) {
			delete(in.topics, name)
		}
	}
	for _, m := range g.selector.Matchers() {
		p, ok := m.(eventlog.Pattern)
		if !ok {
			in.removeRules(m.Prefix(), g)
		} else if of := in.tree.At(p.String()); of.remove(g) {
			in.tree.Delete(p.String())
		}
	}
}

// removeRules removes all rules of a group that have a prefix.
func (in *interest) removeRules(prefix string, g *group) {
	rules := in.prefixes[prefix]
	if len(rules) == 0 {
		return
	}
	kept := rules[:0]
	for _, r := range rules {
		if r.group != g {
			kept = append(kept, r)
		}
	}
	clear(rules[len(kept):])
	if len(kept) > 0 {
		in.prefixes[prefix] = kept
		return
	}
	delete(in.prefixes, prefix)
	if in.lengths[len(prefix)]--; in.lengths[len(prefix)] == 0 {
		delete(in.lengths, len(prefix))
	}
}

// each calls f with every group that wants a topic of a record, with some groups more than once. It returns the cost, in lookups of names
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
		if len(in.lengths) > 0 {
			steps += in.matchRules(topic, f)
		}
	}
	return steps
}

func (in *interest) matchRules(topic string, f func(*group)) (steps int) {
	for length := range in.lengths {
		steps++
		if length > len(topic) {
			continue
		}
		for _, r := range in.prefixes[topic[:length]] {
			steps += matchSteps
			if r.matcher.Match(topic) {
				f(r.group)
			}
		}
	}
	return steps
}

// size returns how many entries the index has. All native patterns count as one.
func (in *interest) size() int {
	n := len(in.topics) + len(in.prefixes)
	if !in.tree.Empty() {
		n++
	}
	return n
}
