package eventlog

import (
	"slices"
	"strings"

	"github.com/tidings-sse/tidings/internal/patterns"
)

// Matcher is a set of topics, defined by a function. [Pattern] is the native implementation.
type Matcher interface {
	// Prefix returns the text with which all matching topics begin; empty if it is not known.
	Prefix() string

	// Match reports whether a topic is in the set. Its answer for a topic never changes. It must be safe for concurrent use.
	Match(topic string) bool
}

// Selector selects the records that a reader wants: those with at least one of its topics. It selects topics by name or by matcher. The log
// and the hub's subscriptions use the same selectors.
//
// A Selector is immutable and safe for concurrent use. The zero Selector selects nothing.
type Selector struct {
	names    []string // sorted, without duplicates
	matchers []Matcher
	tree     *patterns.Tree[struct{}] // of the matchers that are patterns; nil: each is asked
	others   []Matcher                // matchers that are not in the tree
	steps    int                      // segments and matchers that a Match looks at, at most
	filter   func(*Record) bool
}

// fewPatterns is the number of patterns from which on a tree is built. For fewer, a tree takes memory and is not faster.
const fewPatterns = 8

// Topics returns the selector of topics by name.
func Topics(names ...string) Selector { return Select(names) }

// Select returns the selector of topics by name and of the topics that a matcher matches.
func Select(names []string, matchers ...Matcher) Selector {
	sorted := slices.Sorted(slices.Values(names))
	s := Selector{names: slices.Compact(sorted), matchers: slices.Clone(matchers)}
	s.others = s.matchers
	if len(matchers) > fewPatterns {
		s.buildTree()
	}
	s.steps = s.count()
	return s
}

// buildTree puts the patterns into a tree: with it, matching against 1,000 patterns costs little more than against one.
func (s *Selector) buildTree() {
	s.tree, s.others = new(patterns.Tree[struct{}]), nil
	for _, m := range s.matchers {
		if p, ok := m.(Pattern); !ok {
			s.others = append(s.others, m)
		} else if p.text != "" {
			s.tree.At(p.text)
		}
	}
}

// Everything returns the selector of all topics, including reserved ones.
func Everything() Selector { return Select(nil, everything{}) }

type everything struct{}

func (everything) Prefix() string    { return "" }
func (everything) Match(string) bool { return true }

// Filter returns a selector of those records of s for which keep is true. It gets the same gaps as s, because the log cannot ask
// keep about records that are gone. The log calls keep concurrently, with records that have Seq and Time. It must be fast, must
// not modify the record and must not call the log.
func (s Selector) Filter(keep func(*Record) bool) Selector {
	if before := s.filter; before != nil {
		s.filter = func(r *Record) bool { return before(r) && keep(r) }
	} else {
		s.filter = keep
	}
	return s
}

// Names returns the topics that are selected by name, sorted, without duplicates. The slice must not be modified.
func (s Selector) Names() []string { return s.names }

// Matchers returns the matchers by which topics are selected. The slice must not be modified.
func (s Selector) Matchers() []Matcher { return s.matchers }

// Match reports whether s selects a topic. It ignores the filter.
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

// MatchRecord reports whether s selects a record that all of its topics still have.
func (s Selector) MatchRecord(r *Record) bool {
	return slices.ContainsFunc(r.Topics, s.Match) && s.Keep(r)
}

// Keep reports whether the filter keeps a record. It ignores the topics.
func (s Selector) Keep(r *Record) bool { return s.filter == nil || s.filter(r) }

// Filtered reports whether s has a filter. Without one, Keep is always true.
func (s Selector) Filtered() bool { return s.filter != nil }

// All reports whether s selects every topic.
func (s Selector) All() bool {
	return slices.ContainsFunc(s.matchers, func(m Matcher) bool { _, all := m.(everything); return all })
}

// Prefixes returns the prefixes of the matchers, sorted, without those that another prefix covers.
func (s Selector) Prefixes() []string {
	prefixes := make([]string, 0, len(s.matchers))
	for _, m := range s.matchers {
		prefixes = append(prefixes, m.Prefix())
	}
	slices.Sort(prefixes)
	kept := prefixes[:0]
	for _, prefix := range prefixes { // sorted: a prefix comes before those that it covers
		if len(kept) == 0 || !strings.HasPrefix(prefix, kept[len(kept)-1]) {
			kept = append(kept, prefix)
		}
	}
	return kept
}
