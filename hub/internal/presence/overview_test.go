package presence

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// TestListOfTopicsVisitsFew: those with a prefix only, and a bounded number for a page. Their names are told only if they are visible.
func TestListOfTopicsVisitsFew(t *testing.T) {
	r := settledRoom(t, 100_000)
	const n = 2*mostVisits + 100
	for i := range n {
		r.join("bob", fmt.Sprintf("t%06d", i))
	}
	r.join("bob", "a", "t", "t/1", "u/1", "z", "zz")
	visits := 0
	list := func(q Search) (names string, next string) {
		t.Helper()
		q.Limit, visits = 100, 0
		visible, match := q.Visible, q.Match
		q.Visible = func(topic string) bool { visits++; return visible == nil || visible(topic) }
		q.Match = func(topic string) bool { return match == nil || match(topic) }
		page, err := r.Topics(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range page.Topics {
			names += one.Topic + " "
		}
		return names, page.Next
	}
	if names, next := list(Search{Prefixes: []string{"a", "t/", "z"}}); names != "a t/1 z zz " || next != "" || visits > 8 {
		t.Errorf("%q, %q after %d visits", names, next, visits)
	}
	if names, _ := list(Search{Prefixes: []string{"a", "t/", "z"}, After: "t/1"}); names != "z zz " || visits > 8 {
		t.Errorf("%q after %d visits", names, visits)
	}
	rare := func(topic string) bool {
		return strings.HasPrefix(topic, "t") && strings.HasSuffix(topic, "000099") || topic == "zz"
	}
	found, pages := "", 0
	for after, more := "", true; more; pages++ {
		names, next := list(Search{Prefixes: []string{""}, After: after, Match: rare})
		found += names
		if visits > mostVisits {
			t.Errorf("%d visits for a page", visits)
		}
		after, more = next, next != ""
	}
	if found != "t000099 zz " || pages != 3 {
		t.Errorf("%q in %d pages", found, pages)
	}
	if names, next := list(Search{Prefixes: []string{""}, Visible: rare}); names != "t000099 zz " || next != "" && next != "zz" {
		t.Errorf("%q, next %q: the name of a topic is told that is not visible", names, next)
	}
}

// TestListOfTopicsEndsWithItsClient: a request whose client is gone visits no more topics.
func TestListOfTopicsEndsWithItsClient(t *testing.T) {
	r := settledRoom(t, 10_000)
	for i := range 3 * step {
		r.join("bob", fmt.Sprint("t", i))
	}
	ctx, cancel := context.WithCancel(t.Context())
	visits := 0
	_, err := r.Topics(ctx, Search{Limit: 1, Prefixes: []string{""}, Match: func(string) bool { return false }, Visible: func(string) bool {
		visits++
		cancel()
		return true
	}})
	if !errors.Is(err, context.Canceled) || visits > step {
		t.Errorf("%v after %d visits", err, visits)
	}
}
