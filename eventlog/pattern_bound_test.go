package eventlog_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/eventlog"
)

// TestPatternHasALimitedNumberOfSegments: topics may have more segments.
func TestPatternHasALimitedNumberOfSegments(t *testing.T) {
	segments := func(n int) string { return strings.Repeat("a/", n-1) }
	for _, text := range []string{
		segments(eventlog.MaxSegments) + "*", segments(eventlog.MaxSegments) + "**", segments(512) + "a",
		strings.Repeat("*/", eventlog.MaxSegments-1) + "*",
	} {
		if _, err := eventlog.ParsePattern(text); err != nil {
			t.Errorf("a pattern of %d segments: %v", strings.Count(text, "/")+1, err)
		}
	}
	for _, text := range []string{segments(eventlog.MaxSegments+1) + "*", segments(512) + "**", strings.Repeat("*/", 511) + "*"} {
		_, err := eventlog.ParsePattern(text)
		if _, ok := errors.AsType[*eventlog.InvalidError](err); !ok || !strings.Contains(err.Error(), "segments") {
			t.Errorf("a pattern of %d segments: %v", strings.Count(text, "/")+1, err)
		}
	}
	deep := segments(512) + "a"
	if err := eventlog.CheckName(deep); err != nil {
		t.Error(err)
	}
	if !eventlog.MustPattern(segments(eventlog.MaxSegments) + "**").Match(deep) {
		t.Error("no pattern reaches a deep topic")
	}
}

// TestSelectorOfManyPatternsMatchesLikeItsPatterns: a few patterns are matched one by one, many with a tree.
func TestSelectorOfManyPatternsMatchesLikeItsPatterns(t *testing.T) {
	for _, n := range []int{1, 8, 9, 1000} {
		var matchers []eventlog.Matcher
		for i := range n {
			matchers = append(matchers, eventlog.MustPattern(fmt.Sprintf("a/*/%d/**", i)))
		}
		s := eventlog.Select([]string{"name"}, append(matchers, eventlog.Pattern{}, suffix("!"))...)
		for _, topic := range []string{"name", "a/x/0", "a/x/0/y", fmt.Sprint("a/x/", n-1), fmt.Sprint("a/x/", n), "a/x", "b!", "", "$a/x/0"} {
			want := topic == "name" || suffix("!").Match(topic)
			for _, m := range matchers {
				want = want || m.Match(topic)
			}
			if got := s.Match(topic); got != want {
				t.Errorf("of %d patterns, one matches %q: %v, want %v", n, topic, got, want)
			}
		}
	}
}

// suffix matches topics by their end.
type suffix string

func (suffix) Prefix() string            { return "" }
func (s suffix) Match(topic string) bool { return strings.HasSuffix(topic, string(s)) }

// TestCoveringAllocatesNothing: Covers is called for each pair of patterns of a subscription and a grant.
func TestCoveringAllocatesNothing(t *testing.T) {
	p, other := eventlog.MustPattern("a/*/**"), eventlog.MustPattern("a/b/c/*")
	if n := testing.AllocsPerRun(100, func() {
		if !p.Covers(other) {
			t.Error("the pattern does not cover the other")
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestCoveringPatternMatchesEveryTopicOfTheOther compares Covers with Match for all short patterns. A grant must never cover a pattern that
// matches more than the grant.
func TestCoveringPatternMatchesEveryTopicOfTheOther(t *testing.T) {
	var patterns []eventlog.Pattern
	var topics []string
	texts := []string{"a", "*", "", "$a"}
	for depth := 1; depth <= 3; depth++ {
		for n := range len(texts) * len(texts) * len(texts) {
			all := make([]string, depth)
			for i := range all {
				all[i], n = texts[n%len(texts)], n/len(texts)
			}
			text := strings.Join(all, "/")
			for _, p := range []string{text, text + "/**"} {
				if parsed, err := eventlog.ParsePattern(p); err == nil && !slices.Contains(patterns, parsed) {
					patterns = append(patterns, parsed)
				}
			}
			if text = strings.ReplaceAll(text, "*", "other"); text != "" {
				topics = append(topics, text, text+"/a/other", text+"/other")
			}
		}
	}
	patterns = append(patterns, eventlog.MustPattern("**"))
	for _, p := range patterns {
		for _, q := range patterns {
			covers := true
			for _, topic := range topics {
				if q.Match(topic) && !p.Match(topic) {
					covers = false
					break
				}
			}
			if got := p.Covers(q); got && !covers {
				t.Fatalf("%q does not cover %q", p, q)
			} else if !got && covers && q.Match(strings.ReplaceAll(strings.TrimSuffix(q.String(), "/**"), "*", "other")) && !strings.HasPrefix(q.String(), "*") {
				t.Errorf("%q covers %q", p, q)
			}
		}
	}
}

// TestSelectorOfManyPatternsCostsLittleMoreThanOne: 20,000 patterns in a tree are matched in a few steps. Counted as 20,000 steps, each
// page of a replay would have one event.
func TestSelectorOfManyPatternsCostsLittleMoreThanOne(t *testing.T) {
	of := func(n int, form string) eventlog.Selector {
		matchers := make([]eventlog.Matcher, n)
		for i := range matchers {
			matchers[i] = eventlog.MustPattern(fmt.Sprintf(form, i))
		}
		return eventlog.Select(nil, matchers...)
	}
	for _, form := range []string{"a/%d/*", "a/*/%d/**", "*/%d/*/*", "%d", "%d/**"} {
		if cost := of(20_000, form).Cost(); cost > 3 {
			t.Errorf("20,000 patterns like %q cost %d, want little more than one pattern", form, cost)
		}
	}
	// Matchers outside the tree count one by one.
	others := make([]eventlog.Matcher, 800)
	for i := range others {
		others[i] = suffix(fmt.Sprint(i))
	}
	if cost := eventlog.Select(nil, others...).Cost(); cost < 100 {
		t.Errorf("800 other matchers cost %d", cost)
	}
	// So do patterns that differ at each wildcard: a topic a/a/a... visits each of their nodes.
	var parting []eventlog.Matcher
	for i := range 1 << 10 {
		segments := make([]string, 10)
		for bit := range segments {
			segments[bit] = []string{"a", "*"}[i>>bit&1]
		}
		parting = append(parting, eventlog.MustPattern(strings.Join(segments, "/")))
	}
	if cost := eventlog.Select(nil, parting...).Cost(); cost < 100 {
		t.Errorf("1,024 patterns that all match one topic cost %d", cost)
	}
	var none eventlog.Selector
	if cost := none.Cost(); cost != 1 {
		t.Errorf("the zero selector costs %d", cost)
	}
}
