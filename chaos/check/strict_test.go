package check

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/chaos/history"
)

// promising is a run of hubs with more promises.
func promising(more func(*history.Promise)) *book {
	b := newBook()
	more(b.lines[0].Promise)
	return b
}

// TestHubsThatMendEachOtherLackNothing: damage of one hub is no excuse, because the others have everything.
func TestHubsThatMendEachOtherLackNothing(t *testing.T) {
	damaged := func() *book {
		return promising(func(p *history.Promise) { p.Mends = true }).connect("s.0", "news").
			post("news", "a", 1, false).post("news", "b", 2, false).event("s.0", "a", 1).event("s.0", "b", 2).fault(true).dump(1, "a", "b")
	}
	hole := history.Entry{Kind: history.Hole, Hub: 2, ID: at(2), To: at(2)}
	expect(t, map[string]expectation{
		"all is well":                 {damaged().dump(2, "a", "b"), ""},
		"a hub lacks an event":        {damaged().dump(2, "a", ""), "EI"},
		"a hub reports that it lacks": {damaged().dump(2, "a", "").add(hole), "EI"},
		"a hub has another one":       {damaged().post("news", "c", 0, false).dump(2, "a", "c"), "AEI"},
		"a gap after the loss":        {damaged().dump(2, "a", "b").gap("s.0", at(2)), ""},
	})
}

// TestHubsThatTrimLackTheOldestEventsOnly has hubs that trim at different times.
func TestHubsThatTrimLackTheOldestEventsOnly(t *testing.T) {
	trims := func() *book {
		return promising(func(p *history.Promise) { p.Trims = true }).connect("s.0", "news").
			post("news", "a", 1, false).post("news", "b", 2, false).post("news", "c", 3, false).event("s.0", "a", 1).event("s.0", "b", 2).event("s.0", "c", 3)
	}
	expect(t, map[string]expectation{
		"they trim alike":         {trims().dump(1, "", "b", "c").dump(2, "", "b", "c"), ""},
		"one is ahead":            {trims().dump(1, "", "", "c").dump(2, "a", "b", "c"), ""},
		"one lacks a newer event": {trims().dump(1, "a", "", "c").dump(2, "a", "b", "c"), "EI"},
		"a subscriber was slow":   {trims().gap("s.0", at(1)).dump(1, "a", "b", "c"), ""},
	})
}

// TestEndOfABriefTopicHoldsAsLongAsItsEvents looks before and after the moment at which it expires.
func TestEndOfABriefTopicHoldsAsLongAsItsEvents(t *testing.T) {
	brief := func(after time.Duration, stored bool) *book {
		b := promising(func(p *history.Promise) { p.Brief = time.Second }).post("brief/1", "a", 1, false).post("brief/1", "e", 2, true)
		b.now += after.Microseconds()
		if stored {
			return b.post("brief/1", "x", 3, false)
		}
		refusal := refused("x")
		refusal.Events[0].Topics, refusal.At, refusal.End = []string{"brief/1"}, b.now, b.now+5
		return b.add(refusal)
	}
	expect(t, map[string]expectation{
		"refused in time":       {brief(500*time.Millisecond, false), ""},
		"stored afterwards":     {brief(1500*time.Millisecond, true), ""},
		"stored too early":      {brief(500*time.Millisecond, true), "H"},
		"refused for too long":  {brief(1500*time.Millisecond, false), "H"},
		"trimmed on one of two": {brief(1500*time.Millisecond, true).dump(1, "a", "e", "x").dump(2, "", "", "x"), ""},
	})
}

type expectation struct {
	history *book
	rules   string // that are broken
}

func expect(t *testing.T, tests map[string]expectation) {
	t.Helper()
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := result(t, test.history)
			if got := strings.Join(slices.Sorted(maps.Keys(r.Broken)), ""); got != test.rules {
				t.Errorf("broken are %q, want %q: %+v", got, test.rules, r.Violations)
			}
		})
	}
}
