package logtest

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

func keyed(key, topic, data string) eventlog.Record {
	return eventlog.Record{Topics: []string{topic}, Key: key, Data: data}
}

var keys = []test{
	{"RepeatedKeyIsStoredOnce", func(b *bench) {
		b.open(everything())
		first := b.append(keyed("k", "a", "x"))[0]
		b.put("b")
		b.clock.move(time.Minute)
		want := first
		want.Duplicate = true
		b.equal("receipt", b.append(keyed("k", "a", "x"))[0], want)
		b.equal("records", b.numbers(one("a")), []uint64{first.Seq})
		b.equal("the next number", b.put("a"), b.log.Head().Seq)
	}},
	{"KeyWithOtherContentIsRefused", func(b *bench) {
		b.open(everything())
		first := b.append(keyed("k", "a", "x"))[0]
		for _, other := range []eventlog.Record{
			keyed("k", "a", "y"),
			{Topics: []string{"a", "b"}, Key: "k", Data: "x"},
			{Topics: []string{"a"}, Key: "k", Data: "x", Type: "t"},
			{Topics: []string{"a"}, Key: "k", Data: "x", Flags: eventlog.End},
		} {
			err := b.refusal(eventlog.ErrKeyReused, other)
			if key, ok := errors.AsType[*eventlog.KeyError](err); !ok || key.First != first.Position || key.Key != "k" || key.Topic != "a" {
				b.Errorf("%v does not name the key and its first record", err)
			}
		}
	}},
	{"KeyBelongsToItsCanonicalTopic", func(b *bench) {
		b.open(everything())
		b.append(keyed("k", "a", "x"))
		if r := b.append(keyed("k", "b", "x"))[0]; r.Duplicate {
			b.Errorf("the key of another topic counts as the same key")
		}
		if r := b.append(eventlog.Record{Topics: []string{"c", "a"}, Key: "k"})[0]; r.Duplicate {
			b.Errorf("the key of another canonical topic counts as the same key")
		}
	}},
	{"KeyTwiceInABatchIsStoredOnce", func(b *bench) {
		b.open(everything())
		receipts := b.append(keyed("k", "a", "x"), event("b"), keyed("k", "a", "x"))
		if receipts[0].Duplicate || !receipts[2].Duplicate || receipts[2].Position != receipts[0].Position {
			b.Errorf("receipts %+v", receipts)
		}
		b.refuse(eventlog.ErrKeyReused, keyed("new", "a", "x"), keyed("new", "a", "y"))
		if r := b.append(keyed("new", "a", "y"))[0]; r.Duplicate {
			b.Errorf("a batch that was refused has left its key")
		}
	}},
	{"KeyIsKnownUntilItsLimits", func(b *bench) {
		r := everything()
		r.KeyAge, r.Keys = time.Minute, 3
		b.open(r)
		known := func(key string, want bool) {
			b.Helper()
			if got := b.append(keyed(key, "a", ""))[0].Duplicate; got != want {
				b.Errorf("key %s is known: %v, want %v", key, got, want)
			}
		}
		known("1", false)
		b.clock.move(time.Minute)
		known("1", true)
		b.clock.move(time.Millisecond)
		known("1", false)
		known("2", false)
		known("3", false)
		known("1", true)
		known("4", false)
		known("1", false) // three others since
		known("3", true)
		known("2", false)
	}},
	{"KeyOutlivesItsRecord", func(b *bench) {
		b.open(keep(rule("**", eventlog.Rule{Count: 1})))
		first := b.append(keyed("k", "a", "x"))[0]
		b.put("a")
		b.put("a")
		if r := b.append(keyed("k", "a", "x"))[0]; !r.Duplicate || r.Position != first.Position {
			b.Errorf("receipt %+v", r)
		}
	}},
	{"RepetitionAfterTheEndGetsTheFirstReceipt", func(b *bench) {
		b.open(everything())
		first := b.append(keyed("k", "a", "x"))[0]
		b.append(eventlog.Record{Topics: []string{"a"}, Flags: eventlog.End, Key: "end"})
		if r := b.append(keyed("k", "a", "x"))[0]; !r.Duplicate || r.Position != first.Position {
			b.Errorf("receipt %+v", r)
		}
		if r := b.append(eventlog.Record{Topics: []string{"a"}, Flags: eventlog.End, Key: "end"})[0]; !r.Duplicate {
			b.Errorf("the repetition of an end: %+v", r)
		}
		b.refuse(eventlog.ErrEnded, keyed("k2", "a", "x"))
	}},
	{"ConcurrentRepetitionsAreStoredOnce", func(b *bench) {
		b.open(everything())
		var wg sync.WaitGroup
		positions := make([][]eventlog.Position, 8)
		for g := range positions {
			wg.Go(func() {
				for i := range 50 {
					receipts, err := b.log.Append(b.Context(), []eventlog.Record{keyed(fmt.Sprint(i), "a", fmt.Sprint(i))})
					if err != nil {
						b.Error(err)
						return
					}
					positions[g] = append(positions[g], receipts[0].Position)
				}
			})
		}
		wg.Wait()
		b.equal("records", len(b.all(one("a"))), 50)
		for g := range positions {
			b.equal("positions", positions[g], positions[0])
		}
	}},
}

var ends = []test{
	{"EndedTopicRefusesAppends", func(b *bench) {
		b.open(everything())
		b.put("a")
		end := b.append(eventlog.Record{Topics: []string{"a", "b"}, Flags: eventlog.End, Data: "bye"})[0]
		for _, r := range []eventlog.Record{event("a"), event("b"), event("c", "b"), {Topics: []string{"a"}, Flags: eventlog.End}} {
			err := b.refusal(eventlog.ErrEnded, r)
			if ended, ok := errors.AsType[*eventlog.EndedError](err); !ok || ended.End != end.Position {
				b.Errorf("%v does not name the end", err)
			}
		}
		b.put("c")
		b.equal("a", b.numbers(one("a")), []uint64{1, 2})
	}},
	{"EndAppliesWithinTheBatch", func(b *bench) {
		b.open(everything())
		b.refuse(eventlog.ErrEnded, eventlog.Record{Topics: []string{"a"}, Flags: eventlog.End}, event("a"))
		b.append(event("a"), eventlog.Record{Topics: []string{"a"}, Flags: eventlog.End})
	}},
	{"AgeFreesTheNameOfAnEndedTopic", func(b *bench) {
		b.open(keep(rule("**", eventlog.Rule{Age: time.Minute})))
		b.put("a")
		b.append(ending("a"))
		b.clock.move(time.Minute)
		b.refuse(eventlog.ErrEnded, event("a"))
		b.clock.move(time.Millisecond)
		b.settle()
		b.equal("the end", b.end("a"), uint64(0))
		seq := b.put("a")
		b.gap(b.after(0, one("a")), eventlog.Trimmed, 2)
		b.noGap(b.after(2, one("a")), seq)
	}},
	{"EndsGoByRecordTime", func(b *bench) {
		r := keep(rule("**", eventlog.Rule{Count: 2}))
		r.Events, r.Topics = 3, 1
		b.open(r)
		end := b.append(ending("a"))[0]
		for i := range 20 { // the record is trimmed, and the topic forgotten
			b.put("b", string(rune('c'+i)))
		}
		b.equal("records of the topic", b.numbers(one("a")), []uint64{})
		b.clock.move(7 * 24 * time.Hour) // the rule has no age
		err := b.refusal(eventlog.ErrEnded, event("x"), event("a"))
		if ended, ok := errors.AsType[*eventlog.EndedError](err); !ok || ended.End != end.Position {
			b.Errorf("%v does not name the end", err)
		}
		b.equal("the end", b.end("a"), end.Seq)
		b.clock.move(-24 * time.Hour) // the clock may go back
		b.refuse(eventlog.ErrEnded, event("a"))
		b.clock.move(24*time.Hour + time.Millisecond)
		b.equal("the end", b.end("a"), uint64(0))
		b.put("a")
		again := b.append(ending("a"))[0]
		b.equal("the second end", b.end("a"), again.Seq)
		b.refuse(eventlog.ErrEnded, event("a"))
	}},
	{"RecordsFollowAnExpiredEnd", func(b *bench) {
		b.open(keep(rule("**", eventlog.Rule{Count: 3})))
		b.put("a")
		b.append(ending("a"))
		b.clock.move(8 * 24 * time.Hour)
		first := b.put("a")
		b.equal("the end", b.end("a"), uint64(0))
		b.equal("records", b.numbers(one("a")), []uint64{1, 2, first})
		second := b.put("a") // now the expired end counts like any record
		b.equal("records", b.numbers(one("a")), []uint64{2, first, second})
		third := b.append(ending("a"))[0].Seq
		b.equal("records", b.numbers(one("a")), []uint64{2, first, second, third})
		b.equal("the end", b.end("a"), third)
	}},
	{"ListedTopicsSayWhetherTheyHaveEnded", func(b *bench) {
		b.open(everything())
		l, ok := b.log.(eventlog.Lister)
		if !ok {
			return
		}
		b.append(ending("a", "b"))
		b.put("c")
		ended := func(want ...bool) {
			b.Helper()
			topics, err := l.Topics(b.Context(), eventlog.TopicQuery{Matcher: eventlog.MustPattern("**"), Limit: 10})
			if err != nil || len(topics) != len(want) {
				b.Fatalf("topics are %v, %v", topics, err)
			}
			for i, t := range topics {
				if t.Ended != want[i] {
					b.Errorf("topic %q ended: %v", t.Name, t.Ended)
				}
			}
		}
		ended(true, true, false)
		b.clock.move(8 * 24 * time.Hour)
		ended(false, false, false)
		b.put("a")
		ended(false, false, false)
	}},
	{"EndsHoldAgainAfterGoingBack", func(b *bench) {
		for after, want := range []uint64{0, 1, 0, 3, 0, 5, 0} {
			m, ok := b.mirror(keep(rule("**", eventlog.Rule{Age: 10 * time.Second, Count: 1})))
			if !ok {
				return
			}
			for seq := uint64(1); seq <= 6; seq += 2 {
				b.apply(b.batch(seq, ending("a")))
				b.clock.move(11 * time.Second)
				b.apply(b.batch(seq+1, event("a"))) // the topic begins again
			}
			b.settle()
			if err := m.SetGeneration(b.Context(), "other", uint64(after)); err != nil {
				b.Fatal(err)
			}
			b.clock.move(-11 * time.Second * time.Duration((7-after)/2))
			b.equal(fmt.Sprintf("the end after going back to %d", after), b.end("a"), want)
		}
	}},
}

// end returns the number of the record that ended a topic, or 0.
func (b *bench) end(topic string) uint64 {
	b.Helper()
	end, err := b.log.End(b.Context(), topic)
	if err != nil || !end.IsZero() && end.Gen != b.log.Head().Gen {
		b.Fatalf("End(%q): %v, %v", topic, end, err)
	}
	return end.Seq
}
