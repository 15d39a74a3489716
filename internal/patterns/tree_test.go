package patterns_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/internal/patterns"
)

// matching returns the patterns of a tree that match a topic.
func matching(t *testing.T, tree *patterns.Tree[string], topic string) (found []string) {
	t.Helper()
	tree.Match(topic, func(p *string) bool {
		if slices.Contains(found, *p) {
			t.Fatalf("%q matches %q twice", *p, topic)
		}
		found = append(found, *p)
		return true
	})
	slices.Sort(found)
	return found
}

// The test compares the tree with eventlog.Pattern.Match while patterns are added and deleted.
func TestTreeMatchesLikeEachPattern(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	text := func(segments ...string) string {
		all := make([]string, 1+r.IntN(6))
		for i := range all {
			all[i] = pick(segments...)
		}
		return strings.Join(all, "/")
	}
	var tree patterns.Tree[string]
	there := map[string]bool{}
	for step := range 20_000 {
		p := text("a", "b", "*", "*", "$a", "", "x**")
		if r.IntN(3) == 0 {
			p = strings.TrimPrefix(p+"/**", "/")
		}
		if pattern, err := eventlog.ParsePattern(p); err == nil {
			if r.IntN(2) == 0 {
				*tree.At(p) = pattern.String()
				there[p] = true
			} else {
				tree.Delete(p)
				delete(there, p)
			}
		}
		if step%50 == 0 {
			for p := range there {
				if r.IntN(2) == 0 {
					tree.Delete(p)
					delete(there, p)
				}
			}
		}
		topic := text("a", "b", "c", "$a", "", "*")
		if topic == "" {
			continue
		}
		var want []string
		for p := range there {
			if eventlog.MustPattern(p).Match(topic) {
				want = append(want, p)
			}
		}
		slices.Sort(want)
		if steps, most := tree.Match(topic, func(*string) bool { return true }), tree.MostSteps(); steps > most {
			t.Fatalf("seed %d: matching %q takes %d steps, and MostSteps says %d", seed, topic, steps, most)
		}
		if got := matching(t, &tree, topic); !slices.Equal(got, want) {
			t.Fatalf("seed %d: %q is matched by %q, want %q", seed, topic, got, want)
		}
	}
}

// Patterns that are made to be expensive cost at most one step per segment; patterns with another beginning cost nothing.
func TestMatchCostsOnlyMatchingBeginnings(t *testing.T) {
	const segments = 512
	deep := func(n int, f func(i int) string) string {
		all := make([]string, n)
		for i := range all {
			all[i] = f(i)
		}
		return strings.Join(all, "/")
	}
	topic := deep(segments, func(int) string { return "a" })
	for _, test := range []struct {
		name    string
		pattern func(i int) string
		most    int
	}{
		{"a wildcard or not at each of the first levels", func(n int) string {
			return deep(segments, func(i int) string { return [2]string{"a", "*"}[n>>min(i, 60)&1] })
		}, 1000*segments + 3000},
		{"a wildcard or not at each of the last levels", func(n int) string {
			return deep(segments, func(i int) string { return [2]string{"a", "*"}[n>>min(segments-1-i, 60)&1] })
		}, segments + 5000},
		{"wildcards, and no match at the end", func(n int) string {
			return deep(segments-1, func(int) string { return "*" }) + fmt.Sprint("/", n)
		}, segments + 10},
		{"other topics", func(n int) string { return fmt.Sprint(n, "/") + deep(segments-1, func(int) string { return "*" }) }, 10},
		{"each length, open", func(n int) string { return deep(n%segments+1, func(int) string { return "*" }) + "/**" }, 3*segments + 10},
	} {
		var tree patterns.Tree[string]
		for n := range 1000 {
			p := test.pattern(n)
			*tree.At(p) = p
		}
		if steps := tree.Match(topic, func(*string) bool { return true }); steps > test.most {
			t.Errorf("%s: %d steps for 1,000 patterns of %d segments, want at most %d", test.name, steps, segments, test.most)
		}
	}
}

// Deleting all patterns must leave no node.
func TestDeletedPatternsLeaveNoNodes(t *testing.T) {
	var tree patterns.Tree[string]
	all := []string{"a/b/c", "a/b/d", "a/*/c/**", "**", "*", "a/b", "a/b/**", ""}
	for range 2 {
		for _, p := range all {
			*tree.At(p) = p
		}
		for _, p := range all {
			tree.Delete(p)
		}
		if !tree.Empty() {
			t.Error("a node is left")
		}
	}
}

// Matching must not allocate, however often it branches.
func TestMatchAllocatesNothing(t *testing.T) {
	var tree patterns.Tree[string]
	for _, p := range []string{"a/b/c", "a/*/c", "*/b/**", "**"} {
		*tree.At(p) = p
	}
	n := 0
	if allocs := testing.AllocsPerRun(100, func() { tree.Match("a/b/c", func(*string) bool { n++; return true }) }); allocs > 0 {
		t.Errorf("%v allocations", allocs)
	}
	if n == 0 {
		t.Error("nothing matched")
	}
}
