package eventlog_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/eventlog"
)

// TestAPatternHasABoundedNumberOfSegments, and a topic has not.
func TestAPatternHasABoundedNumberOfSegments(t *testing.T) {
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

// TestASelectorOfManyPatternsMatchesLikeItsPatterns: a few are asked one by one, many by a tree.
func TestASelectorOfManyPatternsMatchesLikeItsPatterns(t *testing.T) {
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

// TestCoveringAllocatesNothing: it is asked for each pattern of a subscription and each of a grant.
func TestCoveringAllocatesNothing(t *testing.T) {
	p, other := eventlog.MustPattern("a/*/**"), eventlog.MustPattern("a/b/c/*")
	if n := testing.AllocsPerRun(100, func() {
		if !p.Covers(other) {
			t.Error("it does not cover")
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestCoveringMeansThatEveryTopicIsMatched compares Covers with Match on all short patterns: what matters is that a grant never covers
// a pattern that matches more than the grant.
func TestCoveringMeansThatEveryTopicIsMatched(t *testing.T) {
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
