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
			b.Errorf("the key of another topic is taken for the same")
		}
		if r := b.append(eventlog.Record{Topics: []string{"c", "a"}, Key: "k"})[0]; r.Duplicate {
			b.Errorf("the key of another canonical topic is taken for the same")
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
		b.append(eventlog.Record{Topics: []string{"a"}, Flags: eventlog.End})
		b.refuse(eventlog.ErrEnded, event("a"))
		b.clock.move(time.Hour)
		b.settle()
		seq := b.put("a")
		b.gap(b.after(0, one("a")), eventlog.Trimmed, 2)
		b.noGap(b.after(2, one("a")), seq)
	}},
}
