package eventlog

import (
	"slices"
	"strings"

	"github.com/tidings-sse/tidings/internal/patterns"
)

// Matcher is a set of topics that is known by a rule rather than by their names. [Pattern] is the native one.
type Matcher interface {
	// Prefix returns what all topics that match begin with; empty if nothing is known.
	Prefix() string

	// Match reports whether a topic is in the set. It has to give the same answer for ever, and to be safe to call
	// from several goroutines.
	Match(topic string) bool
}

// Selector says what a reader wants: the records that have at least one of some topics, by name or by rule. The log and
// the hub's index of who is interested in what go by the same selector.
//
// It does not change once it is made, and can be used by several goroutines. The zero Selector wants nothing.
type Selector struct {
	names    []string // sorted, each once
	matchers []Matcher
	tree     *patterns.Tree[struct{}] // of the matchers that are patterns; nil: they are asked one by one
	others   []Matcher                // that are not in the tree
	steps    int                      // segments and matchers that a Match looks at, at most
	filter   func(*Record) bool
}

// fewPatterns are asked one by one: a tree costs memory, and finds the one that matches no sooner.
const fewPatterns = 8

// Topics returns the selector of these topics, by name.
func Topics(names ...string) Selector { return Select(names) }

// Select returns the selector of topics by name and of those that a matcher matches.
func Select(names []string, matchers ...Matcher) Selector {
	sorted := slices.Sorted(slices.Values(names))
	s := Selector{names: slices.Compact(sorted), matchers: slices.Clone(matchers)}
	s.others = s.matchers
	if len(matchers) > fewPatterns {
		s.plant()
	}
	s.steps = s.count()
	return s
}

// plant puts the patterns into a tree, in which 1,000 of them cost little more to ask than one.
func (s *Selector) plant() {
	s.tree, s.others = new(patterns.Tree[struct{}]), nil
	for _, m := range s.matchers {
		if p, ok := m.(Pattern); !ok {
			s.others = append(s.others, m)
		} else if p.text != "" {
			s.tree.At(p.text)
		}
	}
}

// Everything returns the selector of all topics, the reserved ones included.
func Everything() Selector { return Select(nil, everything{}) }

type everything struct{}

func (everything) Prefix() string    { return "" }
func (everything) Match(string) bool { return true }

// Filter returns a selector that wants of s only the records for which keep is true. Such a selector gets gaps as s does:
// nobody knows any more what keep would have said of a record that is gone. The function is called by several goroutines,
// shall change nothing, be quick, and not call the log that it filters; it sees a record with Seq and Time.
func (s Selector) Filter(keep func(*Record) bool) Selector {
	if before := s.filter; before != nil {
		s.filter = func(r *Record) bool { return before(r) && keep(r) }
	} else {
		s.filter = keep
	}
	return s
}

// Names returns the topics that are selected by name, in order, each once. Nobody changes them.
func (s Selector) Names() []string { return s.names }

// Matchers returns the rules by which topics are selected. Nobody changes them.
func (s Selector) Matchers() []Matcher { return s.matchers }

// Match reports whether a record with this topic is wanted, the filter aside.
func (s Selector) Match(topic string) bool {
	if _, ok := slices.BinarySearch(s.names, topic); ok {
		return true
	}
	if s.tree != nil && topic != "" {
		found := false
		s.tree.Match(topic, func(*struct{}) bool {
			found = true
			return false
		})
		if found {
			return true
		}
	}
	for _, m := range s.others {
		if m.Match(topic) {
			return true
		}
	}
	return false
}

// Cost returns an upper bound of the work of a Match, in units of a selector with a few short matchers; at least 1. Code that
// matches many topics under a lock divides its batch size by it.
//
// Patterns in the tree cost what a walk through it costs, however many they are: see the package comment of patterns.
func (s Selector) Cost() int {
	const few = 8
	return 1 + s.steps/few
}

// count returns the steps of a Match: one for each matcher outside the tree and one for each slash in it, and the longest walk
// through the tree.
func (s *Selector) count() int {
	steps := len(s.others)
	for _, m := range s.others {
		if p, ok := m.(Pattern); ok {
			steps += strings.Count(p.text, "/")
		}
	}
	if s.tree != nil {
		steps += s.tree.MostSteps()
	}
	return steps
}

// MatchRecord reports whether a record is wanted that is there under all of its topics.
func (s Selector) MatchRecord(r *Record) bool {
	return slices.ContainsFunc(r.Topics, s.Match) && s.Keep(r)
}

// Keep reports whether the filter wants the record, whatever its topics.
func (s Selector) Keep(r *Record) bool { return s.filter == nil || s.filter(r) }

// Filtered reports whether there is a filter, without which Keep is always true.
func (s Selector) Filtered() bool { return s.filter != nil }

// All reports whether s selects every topic.
func (s Selector) All() bool {
	return slices.ContainsFunc(s.matchers, func(m Matcher) bool { _, all := m.(everything); return all })
}

// Prefixes returns the literal prefixes of the matchers, in order, without those that another one covers.
func (s Selector) Prefixes() []string {
	prefixes := make([]string, 0, len(s.matchers))
	for _, m := range s.matchers {
		prefixes = append(prefixes, m.Prefix())
	}
	slices.Sort(prefixes)
	kept := prefixes[:0]
	for _, prefix := range prefixes { // whoever covers it comes before it
		if len(kept) == 0 || !strings.HasPrefix(prefix, kept[len(kept)-1]) {
			kept = append(kept, prefix)
		}
	}
	return kept
}
