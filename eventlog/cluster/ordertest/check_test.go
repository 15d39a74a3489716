package ordertest_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/eventlog/cluster/ordertest"
)

// sound is a history in which every promise is kept: three events in one topic, a subscriber who got them, and two equal hubs.
func sound() ordertest.History {
	h := ordertest.History{{Kind: ordertest.Begin, Gen: "first"}, {Kind: ordertest.Open, Client: "s", Hub: "A", Start: 1, ID: "first-0", Topics: []string{"t"}}}
	for i := range 3 {
		n := time.Duration(i + 1)
		e := ordertest.Sent{Topics: []string{"t"}, Data: fmt.Sprint(i + 1), Key: fmt.Sprint("k", i+1)}
		id := fmt.Sprint("first-", i+1)
		h = append(
			h, ordertest.Line{Kind: ordertest.Publish, Client: "p", Hub: "A", Start: n * 10, End: n*10 + 5, Sent: []ordertest.Sent{e}, Outcome: ordertest.Stored, IDs: []string{id}},
			ordertest.Line{Kind: ordertest.Event, Client: "s", Hub: "A", Start: n*10 + 6, ID: id, Event: &e},
		)
	}
	for _, hub := range []string{"A", "B"} {
		h = append(h, ordertest.Line{Kind: ordertest.Dump, Hub: hub, Digest: "d"})
		for i := range 3 {
			e := ordertest.Sent{Topics: []string{"t"}, Data: fmt.Sprint(i + 1), Key: fmt.Sprint("k", i+1)}
			h = append(h, ordertest.Line{Kind: ordertest.Record, Hub: hub, ID: fmt.Sprint("first-", i+1), Event: &e, Time: time.UnixMilli(int64(i)).UTC()})
		}
	}
	return h
}

// find returns the index of the n-th line of a kind, from 0.
func find(h ordertest.History, kind ordertest.Kind, n int) int {
	for i := range h {
		if h[i].Kind == kind {
			if n == 0 {
				return i
			}
			n--
		}
	}
	panic("there is no such line")
}

func drop(h ordertest.History, kind ordertest.Kind, n int) ordertest.History {
	i := find(h, kind, n)
	return slices.Delete(h, i, i+1)
}

// change changes a line, with an event of its own.
func change(h ordertest.History, kind ordertest.Kind, n int, f func(*ordertest.Line)) ordertest.History {
	l := &h[find(h, kind, n)]
	if l.Event != nil {
		e := *l.Event
		l.Event = &e
	}
	l.Sent = slices.Clone(l.Sent)
	f(l)
	return h
}

// record adds a record to both hubs, and to the published events.
func record(h ordertest.History, n int, e ordertest.Sent) ordertest.History {
	id := fmt.Sprint("first-", n)
	h = append(h, ordertest.Line{Kind: ordertest.Publish, Client: "q", Start: 90, Sent: []ordertest.Sent{e}, Outcome: ordertest.Unknown})
	for _, hub := range []string{"A", "B"} {
		h = append(h, ordertest.Line{Kind: ordertest.Record, Hub: hub, ID: id, Event: &e, Time: time.UnixMilli(int64(n)).UTC()})
	}
	return h
}

func TestSoundHistoryHasNoViolation(t *testing.T) {
	r := ordertest.Check(sound(), ordertest.Expect{Lossless: true})
	if len(r.Violations) > 0 || r.Publishes != 3 || r.Acknowledged != 3 || r.Events != 3 || r.Subscribers != 1 {
		t.Errorf("%+v", r)
	}
	if r.LongestWithoutAnswer != 10 || r.LongestWithoutEvent != 10 {
		t.Errorf("availability (K) is %v and %v, want 10 ns", r.LongestWithoutAnswer, r.LongestWithoutEvent)
	}
}

// Each case adds a violation to a sound history; the check must find it.
func TestViolationsAreFound(t *testing.T) {
	const event, publish, dumped, dump, open = ordertest.Event, ordertest.Publish, ordertest.Record, ordertest.Dump, ordertest.Open
	tests := []struct {
		letter, what string
		plant        func(h ordertest.History) ordertest.History
	}{
		{"A", "a subscriber sees other content", func(h ordertest.History) ordertest.History {
			return change(h, event, 1, func(l *ordertest.Line) { l.Event.Data = "3" })
		}},
		{"A", "hubs have other content", func(h ordertest.History) ordertest.History {
			return change(h, dumped, 4, func(l *ordertest.Line) { l.Event.Data = "1" })
		}},
		{"B", "numbers fall", func(h ordertest.History) ordertest.History {
			return append(h, ordertest.Line{Kind: ordertest.Checkpoint, Client: "s", Hub: "B", ID: "first-1"})
		}},
		{"B", "another generation without a gap", func(h ordertest.History) ordertest.History {
			return append(h, ordertest.Line{Kind: ordertest.Checkpoint, Client: "s", Hub: "B", ID: "other-9"})
		}},
		{"B", "no position", func(h ordertest.History) ordertest.History {
			return change(h, event, 1, func(l *ordertest.Line) { l.ID = "?" })
		}},
		{"C", "an event is missing", func(h ordertest.History) ordertest.History { return drop(h, event, 1) }},
		{"C", "an event is missing before a checkpoint", func(h ordertest.History) ordertest.History {
			return append(drop(h, event, 2), ordertest.Line{Kind: ordertest.Checkpoint, Client: "s", Hub: "A", ID: "first-3"})
		}},
		{"C", "an event is missing over a reconnect", func(h ordertest.History) ordertest.History {
			i := find(h, event, 1)
			h[i] = ordertest.Line{Kind: open, Client: "s", Hub: "B", ID: "first-1", Topics: []string{"t"}}
			return h
		}},
		{"C", "an event that a pattern matches is missing", func(h ordertest.History) ordertest.History {
			h = record(h, 4, ordertest.Sent{Topics: []string{"u/1"}, Data: "4"})
			h = change(h, open, 0, func(l *ordertest.Line) { l.Topics = []string{"u/*", "t"} })
			return append(h, ordertest.Line{Kind: ordertest.Checkpoint, Client: "s", Hub: "A", ID: "first-4"})
		}},
		{"D", "an event comes twice", func(h ordertest.History) ordertest.History {
			return append(h, ordertest.Line{Kind: open, Client: "s", Hub: "B", ID: "first-2", Topics: []string{"t"}}, h[find(h, event, 2)])
		}},
		{"E", "an acknowledged event is missing on one hub", func(h ordertest.History) ordertest.History { return drop(h, dumped, 4) }},
		{"E", "an acknowledged event is missing everywhere", func(h ordertest.History) ordertest.History {
			return drop(drop(h, dumped, 4), dumped, 1)
		}},
		{"F", "a later event has a lower number", func(h ordertest.History) ordertest.History {
			h = change(h, publish, 1, func(l *ordertest.Line) { l.Start, l.End = 1, 2 })
			return change(h, publish, 0, func(l *ordertest.Line) { l.Start, l.End = 5, 6 })
		}},
		{"F", "an event is seen before it was sent", func(h ordertest.History) ordertest.History {
			return change(h, event, 1, func(l *ordertest.Line) { l.Start = 19 })
		}},
		{"F", "an event is stored twice", func(h ordertest.History) ordertest.History {
			return record(h, 4, ordertest.Sent{Topics: []string{"t"}, Data: "3"})
		}},
		{"F", "an event comes from nowhere", func(h ordertest.History) ordertest.History {
			return drop(record(h, 4, ordertest.Sent{Topics: []string{"t"}, Data: "4"}), publish, 3)
		}},
		{"G", "a key stands for two events", func(h ordertest.History) ordertest.History {
			return record(h, 4, ordertest.Sent{Topics: []string{"t"}, Data: "4", Key: "k1"})
		}},
		{"G", "a key is answered with two positions", func(h ordertest.History) ordertest.History {
			l := h[find(h, publish, 0)]
			l.IDs, l.Start, l.End, l.Again = []string{"first-2"}, 60, 61, []bool{true}
			return append(h, l)
		}},
		{"H", "an event comes after the end", func(h ordertest.History) ordertest.History {
			h = record(h, 4, ordertest.Sent{Topics: []string{"t"}, Data: "4", End: true})
			return record(h, 5, ordertest.Sent{Topics: []string{"t"}, Data: "5"})
		}},
		{"I", "hubs have other digests", func(h ordertest.History) ordertest.History {
			return change(h, dump, 1, func(l *ordertest.Line) { l.Digest = "other" })
		}},
		{"I", "hubs have other times", func(h ordertest.History) ordertest.History {
			return change(h, dumped, 5, func(l *ordertest.Line) { l.Time = l.Time.Add(1) })
		}},
		{"I", "a record is on one hub only", func(h ordertest.History) ordertest.History {
			h = record(h, 4, ordertest.Sent{Topics: []string{"t"}, Data: "4"})
			return h[:len(h)-1]
		}},
		{"J", "a gap is told and nothing was lost", func(h ordertest.History) ordertest.History {
			return append(h, ordertest.Line{Kind: ordertest.Gap, Client: "s", Hub: "A", ID: "first-3", Reason: "trimmed"})
		}},
	}
	for _, test := range tests {
		t.Run(test.letter+" "+test.what, func(t *testing.T) {
			found := ordertest.Check(test.plant(sound()), ordertest.Expect{Lossless: true}).Violations
			if !slices.ContainsFunc(found, func(v ordertest.Violation) bool { return v.Letter == test.letter }) {
				t.Errorf("it was not found; found was: %v", found)
			}
		})
	}
}

// Records that the order has lost are no violation if a generation began afterwards.
func TestLostRecordsAreNoViolationIfAGenerationSaysSo(t *testing.T) {
	h := drop(drop(sound(), ordertest.Record, 5), ordertest.Record, 2) // hubs have 1 and 2
	lost := ordertest.Line{Kind: ordertest.Lost, Start: 40, After: 2}
	told := ordertest.Line{Kind: ordertest.Begin, Gen: "later", Prev: "first", Start: 41}
	found := ordertest.Check(h, ordertest.Expect{}).Violations
	if len(found) == 0 || found[0].Letter != "E" {
		t.Errorf("without a loss: %v", found)
	}
	if found := ordertest.Check(append(slices.Clone(h), lost), ordertest.Expect{}).Violations; len(found) == 0 {
		t.Error("a loss that no generation tells of is silent, and was not found")
	}
	if found := ordertest.Check(append(slices.Clone(h), lost, told), ordertest.Expect{}).Violations; len(found) > 0 {
		t.Errorf("with a generation that tells of it: %v", found)
	}
}

func TestGapsAndResetsExcuseSubscribers(t *testing.T) {
	h := drop(sound(), ordertest.Event, 1)
	i := find(h, ordertest.Event, 1)
	h = slices.Insert(h, i, ordertest.Line{Kind: ordertest.Gap, Client: "s", Hub: "A", ID: "first-2", Reason: "trimmed"})
	if found := ordertest.Check(h, ordertest.Expect{}).Violations; len(found) > 0 {
		t.Errorf("%v", found)
	}
}

func TestViolationsAreReadable(t *testing.T) {
	found := ordertest.Check(drop(sound(), ordertest.Event, 1), ordertest.Expect{}).Violations
	if len(found) != 1 || !strings.HasPrefix(found[0].String(), "C: s was at first-1 and got first-3 on hub A") {
		t.Errorf("%v", found)
	}
}
