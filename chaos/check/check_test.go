package check

import (
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/chaos/history"
)

// book builds a history.
type book struct {
	lines []history.Entry
	now   int64
}

func newBook() *book {
	b := &book{}
	return b.add(history.Entry{Kind: history.Run, Promise: &history.Promise{Durable: true, OneOrder: true, Keys: true, Ends: true, EqualDumps: true}})
}

func (b *book) add(e history.Entry) *book {
	if e.At == 0 {
		b.now += 10
		e.At = b.now
	}
	b.lines = append(b.lines, e)
	return b
}

// other is a position of another generation.
func other(seq uint64) *history.Position { return &history.Position{Gen: "bbbbb", Seq: seq} }

func at(seq uint64) *history.Position { return &history.Position{Gen: "aaaaa", Seq: seq} }

// post is a publisher's request; seq 0 means that its outcome is unknown.
func (b *book) post(topic, name string, seq uint64, end bool) *book {
	e := history.Entry{Kind: history.Publish, Who: "p", Hub: 1, Outcome: history.Unknown}
	e.Events = []history.Sent{{Name: name, Topics: []string{topic}, End: end}}
	if seq > 0 {
		e.Outcome, e.IDs = history.OK, []history.Position{*at(seq)}
	}
	b.now += 10
	e.At, e.End = b.now, b.now+5
	return b.add(e)
}

func (b *book) connect(who string, topics ...string) *book {
	return b.add(history.Entry{Kind: history.Connect, Who: who, Hub: 1, Select: &history.Selection{Exact: topics}})
}

func (b *book) checkpoint(who string, seq uint64) *book {
	return b.add(history.Entry{Kind: history.Checkpoint, Who: who, ID: at(seq)})
}

func (b *book) event(who, name string, seq uint64) *book {
	return b.add(history.Entry{Kind: history.Event, Who: who, Name: name, ID: at(seq)})
}

func (b *book) gap(who string, to *history.Position) *book {
	return b.add(history.Entry{Kind: history.Gap, Who: who, To: to, Why: "trimmed"})
}

func (b *book) fault(loss bool) *book {
	return b.add(history.Entry{Kind: history.Fault, Name: "f", End: b.now + 20, Loss: loss})
}

// dump is the content of a hub at the end: names in order, from number 1.
func (b *book) dump(hub int, names ...string) *book {
	for i, name := range names {
		if name != "" {
			b.add(history.Entry{Kind: history.Dump, Hub: hub, Name: name, ID: at(uint64(i + 1))})
		}
	}
	return b.add(history.Entry{Kind: history.Dump, Hub: hub})
}

func (b *book) text(t *testing.T) string {
	t.Helper()
	var out strings.Builder
	enc := json.NewEncoder(&out)
	for _, e := range b.lines {
		if err := enc.Encode(e); err != nil {
			t.Fatal(err)
		}
	}
	return out.String()
}

func result(t *testing.T, b *book) *Result {
	t.Helper()
	text := b.text(t)
	r, err := Check(func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil })
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// three is a run without a violation: three events on two topics, of which a subscriber wants one.
func three() *book {
	return newBook().connect("s.0", "news").checkpoint("s.0", 0).
		post("news", "a", 1, false).post("chat", "b", 2, false).post("news", "c", 3, false)
}

// TestEveryRuleFindsItsViolation has a history for each way to break a promise, and one beside it that keeps it.
func TestEveryRuleFindsItsViolation(t *testing.T) {
	whole := func(b *book) *book { return b.event("s.0", "a", 1).event("s.0", "c", 3).dump(1, "a", "b", "c") }
	tests := map[string]struct {
		history *book
		rules   string // that are broken
	}{
		"all is well":                    {whole(three()), ""},
		"another content at a position":  {whole(three()).connect("t.0", "chat").event("t.0", "x", 2), "A"},
		"an event that nobody published": {whole(three()).connect("t.0", "chat").event("t.0", "x", 4), "A"},
		"an event that nobody asked for": {three().event("s.0", "a", 1).event("s.0", "b", 2).event("s.0", "c", 3).dump(1, "a", "b", "c"), "A"},
		"the same content, changed":      {whole(three()).add(history.Entry{Kind: history.Event, Who: "t.0", Name: "a", ID: at(1), Why: "it came without its end"}), "A"},
		"a stream goes back":             {whole(three()).checkpoint("s.0", 2), "B"},
		"a generation changes silently":  {whole(three()).add(history.Entry{Kind: history.Checkpoint, Who: "s.0", ID: other(9)}), "BC"},
		"an event is missing before one": {three().event("s.0", "c", 3).dump(1, "a", "b", "c"), "C"},
		"an event is missing before a checkpoint": {
			three().checkpoint("s.0", 2).event("s.0", "c", 3).dump(1, "a", "b", "c"), "C",
		},
		"an event is missing across streams": {
			three().event("s.0", "a", 1).connect("s.0", "news").checkpoint("s.0", 3).dump(1, "a", "b", "c"), "C",
		},
		"an event never comes":            {three().event("s.0", "a", 1).dump(1, "a", "b", "c"), "C"},
		"an event is missing after a gap": {three().fault(true).gap("s.0", at(1)).checkpoint("s.0", 3).dump(1, "a", "b", "c"), "C"},
		"a gap tells what is missing":     {three().fault(true).gap("s.0", at(1)).event("s.0", "c", 3).dump(1, "a", "b", "c"), ""},
		"an event comes twice":            {whole(three()).connect("s.0", "news").event("s.0", "c", 3), "D"},
		"an event comes twice at two positions": {
			whole(three()).post("news", "d", 4, false).event("s.0", "d", 4).event("s.0", "d", 5).dump(2, "a", "b", "c", "d"), "DEGI",
		},
		"an event comes again after a reset": {
			three().event("s.0", "a", 1).event("s.0", "c", 3).fault(true).gap("s.0", other(1)).
				add(history.Entry{Kind: history.Event, Who: "s.0", Name: "c", ID: other(2)}), "",
		},
		"an acknowledged event is lost":   {three().event("s.0", "a", 1).event("s.0", "c", 3).dump(1, "a", "", "c"), "E"},
		"a hole tells that it is lost":    {whole(three()).fault(true).dump(2, "a", "", "c").add(history.Entry{Kind: history.Hole, Hub: 2, ID: at(2), To: at(2)}), ""},
		"a damaged hub lacks an event":    {three().fault(true).event("s.0", "a", 1).event("s.0", "c", 3).dump(1, "a", "b", "c").dump(2, "a", "", "c"), ""},
		"all hubs lack an event":          {three().fault(true).event("s.0", "a", 1).event("s.0", "c", 3).dump(1, "a", "", "c").dump(2, "a", "", "c"), "E"},
		"a refused event is stored":       {whole(three()).add(refused("d")).event("s.0", "d", 4).dump(2, "a", "b", "c", "d"), "EI"},
		"a later event comes before":      {three().post("chat", "d", 5, false).post("chat", "e", 4, false).event("s.0", "a", 1).event("s.0", "c", 3).dump(1, "a", "b", "c", "e", "d"), "F"},
		"an unknown one before its start": {newBook().post("news", "a", 1, false).post("news", "b", 3, false).post("news", "e", 0, false).dump(1, "a", "e", "b"), "F"},
		"an event is stored twice":        {whole(three()).post("chat", "d", 0, false).dump(2, "a", "b", "c", "d", "d"), "GI"},
		"an event after the end":          {whole(three()).post("reply", "d", 4, true).post("reply", "e", 5, false).dump(2, "a", "b", "c", "d", "e"), "EHI"},
		"two hubs differ":                 {whole(three()).post("chat", "d", 0, false).dump(2, "a", "b", "c", "d"), "I"},
		"a gap without a loss":            {whole(three()).fault(false).gap("s.0", at(3)), "J"},
		"a hub that does not come back":   {whole(three()).add(history.Entry{Kind: history.Stuck, Name: "kill -9", Why: "hub1 is not ready"}), "K"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := result(t, test.history)
			if got := strings.Join(slices.Sorted(maps.Keys(r.Broken)), ""); got != test.rules {
				t.Errorf("broken are %q, want %q: %+v", got, test.rules, r.Violations)
			}
		})
	}
}

// TestPositionsWithoutOrderGetTheirsFromTheDump is for hubs whose identifiers cannot be compared.
func TestPositionsWithoutOrderGetTheirsFromTheDump(t *testing.T) {
	opaque := func(names ...string) *book {
		b := &book{}
		b.add(history.Entry{Kind: history.Run, Promise: &history.Promise{Durable: true, Opaque: true}}).connect("s.0", "news")
		for _, name := range []string{"a", "b", "c"} {
			b.post("news", name, 0, false)
		}
		for _, name := range names {
			b.add(history.Entry{Kind: history.Event, Who: "s.0", Name: name, ID: &history.Position{Gen: "urn:" + name}})
		}
		return b.dump(1, "a", "b", "c")
	}
	for names, rules := range map[string]string{"a b c": "", "a c": "C", "a b": "C", "a c b": "BC", "a b b c": "D"} {
		r := result(t, opaque(strings.Fields(names)...))
		if got := strings.Join(slices.Sorted(maps.Keys(r.Broken)), ""); got != rules {
			t.Errorf("after %s broken are %q, want %q: %+v", names, got, rules, r.Violations)
		}
	}
}

func refused(name string) history.Entry {
	return history.Entry{Kind: history.Publish, Who: "p", Outcome: history.Refused, Events: []history.Sent{{Name: name, Topics: []string{"news"}}}}
}

// TestContestedTopicsAreLinearizable looks for decisions that no single log can have made.
func TestContestedTopicsAreLinearizable(t *testing.T) {
	op := func(from, to int64, name string, end bool, outcome history.Outcome) history.Entry {
		return history.Entry{
			Kind: history.Publish, At: from, End: to, Who: "p", Outcome: outcome,
			Events: []history.Sent{{Name: name, Topics: []string{"duel/0/0"}, End: end}},
		}
	}
	read := func(from, to int64, names ...string) history.Entry {
		return history.Entry{Kind: history.Read, At: from, End: to, Who: "p", Topics: []string{"duel/0/0"}, Names: names}
	}
	tests := map[string]struct {
		operations []history.Entry
		broken     bool
	}{
		"one after the other":              {[]history.Entry{op(1, 2, "a", false, "ok"), op(3, 4, "a", false, "duplicate"), op(5, 6, "e", true, "ok"), op(7, 8, "b", false, "refused")}, false},
		"at the same time":                 {[]history.Entry{op(1, 9, "e", true, "ok"), op(1, 9, "b", false, "ok"), op(1, 9, "c", false, "refused")}, false},
		"accepted after the end":           {[]history.Entry{op(1, 2, "e", true, "ok"), op(3, 4, "b", false, "ok")}, true},
		"stored twice":                     {[]history.Entry{op(1, 2, "a", false, "ok"), op(3, 4, "a", false, "ok")}, true},
		"refused without a reason":         {[]history.Entry{op(1, 2, "a", false, "refused")}, true},
		"a known event of an ended topic":  {[]history.Entry{op(1, 2, "a", false, "ok"), op(3, 4, "e", true, "ok"), op(5, 6, "a", false, "duplicate")}, false},
		"an unknown end takes effect late": {[]history.Entry{op(1, 2, "e", true, "unknown"), op(3, 4, "b", false, "ok"), op(5, 6, "c", false, "refused")}, false},
		"an unknown end has an effect and then none": {
			[]history.Entry{op(1, 2, "e", true, "unknown"), op(3, 4, "b", false, "refused"), op(5, 6, "c", false, "ok")}, true,
		},
		"reads agree":             {[]history.Entry{op(1, 2, "a", false, "ok"), op(3, 4, "b", false, "ok"), read(5, 6, "a"), read(7, 8, "a", "b")}, false},
		"a read of another order": {[]history.Entry{op(1, 9, "a", false, "ok"), op(1, 9, "b", false, "ok"), read(10, 11, "a", "b"), read(12, 13, "b", "a")}, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := newBook()
			for _, o := range test.operations {
				b.add(o)
			}
			r := result(t, b)
			if broken := r.Broken["L"] > 0; broken != test.broken {
				t.Errorf("broken is %v, want %v: %+v", broken, test.broken, r.Violations)
			}
			if r.Linear.Topics != 1 {
				t.Errorf("%d topics were checked", r.Linear.Topics)
			}
		})
	}
}
