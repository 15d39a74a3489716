package fanout

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/eventlog"
)

// suffix matches the topics with a prefix and a suffix. It is no native pattern.
type suffix struct{ prefix, end string }

func (s suffix) Prefix() string { return s.prefix }

func (s suffix) Match(topic string) bool {
	return strings.HasPrefix(topic, s.prefix) && strings.HasSuffix(topic, s.end)
}

func (s suffix) String() string { return s.prefix + "…" + s.end }

func groupOf(sel eventlog.Selector) *group {
	return newGroup(&Subscription{Selector: sel, Encoding: textEncoding{}})
}

// TestTheIndexFindsEveryKindOfMatcher, and is empty when all groups have left it.
func TestTheIndexFindsEveryKindOfMatcher(t *testing.T) {
	groups := map[string]*group{
		"name":      groupOf(eventlog.Topics("a/b", "c")),
		"pattern":   groupOf(eventlog.Select(nil, eventlog.MustPattern("a/*"))),
		"matcher":   groupOf(eventlog.Select(nil, suffix{"a/", "b"})),
		"no prefix": groupOf(eventlog.Select(nil, suffix{"", "b"}, suffix{"", "b"})),
		"several":   groupOf(eventlog.Select([]string{"x"}, suffix{"a/", "z"}, eventlog.MustPattern("x/**"), suffix{"c", ""})),
		"all":       groupOf(eventlog.Everything()),
	}
	var in interest
	for _, g := range groups {
		in.add(g)
	}
	for topics, want := range map[string]string{
		"a/b":     "all matcher name no prefix pattern",
		"a/z":     "all pattern several",
		"c":       "all name several",
		"x/y/b":   "all no prefix several",
		"q":       "all",
		"q a/b c": "all matcher name no prefix pattern several",
	} {
		found := map[string]bool{}
		in.each(&eventlog.Record{Topics: strings.Fields(topics)}, func(g *group) {
			for name := range groups {
				if groups[name] == g {
					found[name] = true
				}
			}
		})
		var got []string
		for name := range found {
			got = append(got, name)
		}
		slices.Sort(got)
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %s", topics, got, want)
		}
	}
	for _, g := range groups {
		in.remove(g)
	}
	if in.size() != 0 || len(in.lengths) != 0 {
		t.Errorf("%d entries are left, %d lengths", in.size(), len(in.lengths))
	}
}

// TestUnknownMatcherCountsAsExpensive, so that a pass over many of them stays short.
func TestUnknownMatcherCountsAsExpensive(t *testing.T) {
	var in interest
	for n := range 1000 {
		in.add(groupOf(eventlog.Select(nil, suffix{"a/", fmt.Sprint(n)})))
	}
	r := &eventlog.Record{Topics: []string{"a/b"}}
	if steps := in.each(r, func(*group) {}); steps < 1000*matchSteps {
		t.Errorf("asking 1,000 matchers counts as %d steps", steps)
	}
	r.Topics[0] = "b/b"
	if steps := in.each(r, func(*group) {}); steps > 10 {
		t.Errorf("asking matchers of another prefix counts as %d steps", steps)
	}
}

// TestFilterIsCalledOncePerEvent: a group does not get the events that its filter drops.
func TestFilterIsCalledOncePerEvent(t *testing.T) {
	asked := 0
	g := groupOf(eventlog.Topics("a", "b").Filter(func(r *eventlog.Record) bool {
		asked++
		return r.Data != "secret"
	}))
	for seq, data := range []string{"x", "secret", "y"} {
		e := &event{record: &eventlog.Record{Seq: uint64(seq + 1), Topics: []string{"a", "b"}, Data: data}}
		for range e.record.Topics {
			g.offer(e, 1)
		}
	}
	if asked != 3 || len(g.events) != 2 || g.events[1].record.Data != "y" {
		t.Errorf("the filter was called %d times, %d events", asked, len(g.events))
	}
}

// TestSelectorsShareAGroupOnlyIfTheyWantTheSame: the order of topics does not matter.
func TestSelectorsShareAGroupOnlyIfTheyWantTheSame(t *testing.T) {
	keep := func(*eventlog.Record) bool { return true }
	p, q := eventlog.MustPattern("a/*"), eventlog.MustPattern("b/*")
	key := func(sel eventlog.Selector, filter string) string { return selectorKey(&sel, filter) }
	for _, same := range [][2]string{
		{key(eventlog.Topics("a", "b"), ""), key(eventlog.Topics("b", "a"), "")},
		{key(eventlog.Select(nil, p, q), ""), key(eventlog.Select(nil, q, p), "")},
		{key(eventlog.Select(nil, suffix{"a", "b"}), ""), key(eventlog.Select(nil, suffix{"a", "b"}), "")},
		{key(eventlog.Topics("a").Filter(keep), "public"), key(eventlog.Topics("a").Filter(keep), "public")},
		{key(eventlog.Topics("a"), "means nothing"), key(eventlog.Topics("a"), "")},
	} {
		if same[0] != same[1] {
			t.Errorf("%q and %q are not the same", same[0], same[1])
		}
	}
	unlike := []string{
		key(eventlog.Topics("a", "b"), ""), key(eventlog.Topics("a b"), ""), key(eventlog.Topics("a 1:b"), ""), key(eventlog.Topics("a"), ""),
		key(eventlog.Select(nil, p), ""), key(eventlog.Topics("a/*"), ""), key(eventlog.Select(nil, suffix{"a/*", ""}), ""),
		key(eventlog.Topics("a").Filter(keep), "public"), key(eventlog.Topics("a").Filter(keep), "mine"),
		key(eventlog.Topics("a").Filter(keep), ""), key(eventlog.Topics("a").Filter(keep), ""), // functions cannot be compared
	}
	slices.Sort(unlike)
	if len(slices.Compact(slices.Clone(unlike))) != len(unlike) {
		t.Errorf("some keys of different selectors are the same: %q", unlike)
	}
}

// TestEventIsEncodedOncePerEncoding: all groups share the bytes.
func TestEventIsEncodedOncePerEncoding(t *testing.T) {
	e := &event{record: &eventlog.Record{Seq: 1, Topics: []string{"a"}, Data: "x"}, gen: "abcde"}
	first, other := e.encode(textEncoding{}), e.encode(hidden{})
	if first != "1 x\n" || other != "" {
		t.Errorf("%q, %q", first, other)
	}
	if n := testing.AllocsPerRun(10, func() { e.encode(textEncoding{}); e.encode(hidden{}) }); n > 0 {
		t.Errorf("a second call costs %v allocations", n)
	}
}

// hidden is an encoding that hides all events and all control messages except heartbeats.
type hidden struct{ textEncoding }

func (hidden) Key() string { return "hidden" }

func (hidden) Event(b []byte, _ eventlog.Position, _ *eventlog.Record) []byte { return b }
