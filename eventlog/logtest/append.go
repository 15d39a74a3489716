package logtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

var appending = []test{
	{"NumbersRiseAndReadReturnsAppendedRecords", func(b *bench) {
		b.open(everything())
		var want []eventlog.Record
		for i := range 20 {
			batch := make([]eventlog.Record, 1+i%3)
			for j := range batch {
				batch[j] = eventlog.Record{Topics: []string{fmt.Sprintf("t/%d", j)}, Data: fmt.Sprint(i, j)}
			}
			for j, receipt := range b.append(batch...) {
				if n := len(want); n > 0 && receipt.Seq <= want[n-1].Seq {
					b.Fatalf("number %d after %d", receipt.Seq, want[n-1].Seq)
				}
				if receipt.Gen != b.log.Head().Gen || receipt.Duplicate {
					b.Fatalf("receipt %+v", receipt)
				}
				batch[j].Seq, batch[j].Time = receipt.Seq, receipt.Time
				want = append(want, batch[j])
			}
		}
		b.equal("the appended records", b.all(eventlog.Everything()), want)
		b.equal("the head", b.log.Head().Seq, want[len(want)-1].Seq)
	}},
	{"EveryFieldIsStored", func(b *bench) {
		b.open(everything())
		full := eventlog.Record{
			Topics: []string{"a", "b\x00\xff", strings.Repeat("l", eventlog.MaxTopic)}, Type: "type", Data: "data\x00\r\n\xfe",
			ContentType: "text/plain", Key: "key", ID: "urn:x", Retry: 1500 * time.Millisecond, Flags: eventlog.Private | eventlog.Binary | 1<<40,
			Unknown: "\x63\x02hi",
		}
		large := eventlog.Record{Topics: []string{"large"}, Data: strings.Repeat("0123456789", 200_000)}
		many := eventlog.Record{}
		for i := range eventlog.MaxTopics {
			many.Topics = append(many.Topics, fmt.Sprintf("many/%d", i))
		}
		for _, r := range []eventlog.Record{full, large, many, {Topics: []string{"empty"}}} {
			receipt := b.append(r)[0]
			r.Seq, r.Time = receipt.Seq, receipt.Time
			for _, topic := range []string{r.Topics[0], r.Topics[len(r.Topics)-1]} {
				b.equal(topic[:1], b.read(b.after(0, one(topic))).Records, []eventlog.Record{r})
			}
		}
	}},
	{"BatchIsStoredCompletelyOrNotAtAll", func(b *bench) {
		b.open(everything())
		b.append(eventlog.Record{Topics: []string{"ended"}, Flags: eventlog.End})
		b.append(eventlog.Record{Topics: []string{"t"}, Key: "k", Data: "first"})
		for name, bad := range map[string]struct {
			record eventlog.Record
			want   error
		}{
			"no topic":        {eventlog.Record{Data: "x"}, eventlog.ErrInvalid},
			"empty topic":     {eventlog.Record{Topics: []string{""}}, eventlog.ErrInvalid},
			"topic twice":     {eventlog.Record{Topics: []string{"a", "b", "a"}}, eventlog.ErrInvalid},
			"long topic":      {eventlog.Record{Topics: []string{strings.Repeat("x", eventlog.MaxTopic+1)}}, eventlog.ErrTooLarge},
			"many topics":     {eventlog.Record{Topics: make([]string, eventlog.MaxTopics+1)}, eventlog.ErrTooLarge},
			"large data":      {eventlog.Record{Topics: []string{"a"}, Data: strings.Repeat("x", eventlog.MaxData+1)}, eventlog.ErrTooLarge},
			"long type":       {eventlog.Record{Topics: []string{"a"}, Type: strings.Repeat("x", eventlog.MaxField+1)}, eventlog.ErrTooLarge},
			"long key":        {eventlog.Record{Topics: []string{"a"}, Key: strings.Repeat("x", eventlog.MaxField+1)}, eventlog.ErrTooLarge},
			"negative retry":  {eventlog.Record{Topics: []string{"a"}, Retry: -1}, eventlog.ErrInvalid},
			"damaged unknown": {eventlog.Record{Topics: []string{"a"}, Unknown: "\x01"}, eventlog.ErrInvalid},
			"ended topic":     {eventlog.Record{Topics: []string{"a", "ended"}}, eventlog.ErrEnded},
			"key reused":      {eventlog.Record{Topics: []string{"t"}, Key: "k", Data: "other"}, eventlog.ErrKeyReused},
		} {
			err := b.refusal(bad.want, event("a"), event("b"), bad.record, event("c"))
			if at, ok := errors.AsType[*eventlog.RecordError](err); !ok || at.Index != 2 {
				b.Errorf("%s: %v does not say that it is record 2", name, err)
			}
		}
	}},
	{"OversizedBatchIsRefused", func(b *bench) {
		b.open(everything())
		large := eventlog.Record{Topics: []string{"a"}, Data: strings.Repeat("x", eventlog.MaxData)}
		b.refuse(eventlog.ErrTooLarge, large, large, large, large)
		b.refuse(eventlog.ErrTooLarge, slices.Repeat([]eventlog.Record{event("a")}, eventlog.MaxCount+1)...)
	}},
	{"CancelledAppendStoresNothing", func(b *bench) {
		b.open(everything())
		ctx, cancel := context.WithCancel(b.Context())
		cancel()
		if _, err := b.log.Append(ctx, []eventlog.Record{event("a")}); !errors.Is(err, context.Canceled) {
			b.Errorf("Append: %v, want that of the context", err)
		}
		b.append(event("b"))
		b.equal("the number of records", len(b.all(eventlog.Everything())), 1)
	}},
	{"EmptyBatchChangesNothing", func(b *bench) {
		b.open(everything())
		head := b.log.Head()
		if receipts, err := b.log.Append(b.Context(), nil); len(receipts) != 0 || err != nil || b.log.Head() != head {
			b.Errorf("Append of nothing: %v, %v, head %v", receipts, err, b.log.Head())
		}
	}},
	{"TimesNeverGoBack", func(b *bench) {
		b.open(everything())
		last := time.Time{}
		for _, d := range []time.Duration{0, time.Second, -time.Hour, 1500 * time.Microsecond, time.Minute} {
			b.clock.move(d)
			receipt := b.append(event("a"))[0]
			if receipt.Time.Before(last) || receipt.Time != receipt.Time.Truncate(time.Millisecond) || receipt.Time.Location() != time.UTC {
				b.Errorf("time %v after %v", receipt.Time, last)
			}
			last = receipt.Time
		}
		records := b.all(one("a"))
		if !slices.IsSortedFunc(records, func(x, y eventlog.Record) int { return x.Time.Compare(y.Time) }) {
			b.Errorf("the times of the records are not in order")
		}
	}},
	{"TimesStayWhenNoRecordIsLeft", func(b *bench) {
		for _, after := range []uint64{0, 1} {
			b.open(keep(rule("**", eventlog.Rule{Age: time.Second})))
			m, ok := b.log.(eventlog.Mirror)
			if !ok {
				return
			}
			b.put("a")
			b.clock.move(5 * time.Second)
			newest := b.append(event("a"))[0].Time
			if err := m.SetGeneration(b.Context(), "other", after); err != nil {
				b.Fatal(err)
			}
			b.clock.move(-2 * time.Second)
			b.equal(fmt.Sprintf("the time after dropping all after %d", after), b.append(event("a"))[0].Time, newest)
		}
	}},
	{"MirrorForgetsTheTimesOfItsFirstRecords", func(b *bench) {
		m, ok := b.mirror(everything())
		if !ok {
			return
		}
		b.apply(b.batch(3, event("a")))
		if err := m.SetGeneration(b.Context(), "other", 2); err != nil {
			b.Fatal(err)
		}
		b.clock.move(-2 * time.Second)
		b.equal("the time of the first record", b.append(event("a"))[0].Time, b.clock.time())
	}},
	{"AppendDoesNotKeepTheSlice", func(b *bench) {
		b.open(everything())
		records := []eventlog.Record{event("mine", "too")}
		b.append(records...)
		records[0].Data, records[0].Topics[0], records[0].Topics[1] = "changed", "changed", "changed"
		b.equal("by name", len(b.all(one("mine"))), 1)
		b.equal("topics", b.all(eventlog.Everything())[0].Topics, []string{"mine", "too"})
	}},
	{"TheHeadOfANewLogIsZero", func(b *bench) {
		b.open(everything())
		if head := b.log.Head(); head.Seq != 0 || !eventlog.ValidGeneration(head.Gen) {
			b.Errorf("the head is %v", head)
		}
		b.noGap(b.after(0, eventlog.Everything()))
	}},
	{"WatchReceivesAfterEveryMove", func(b *bench) {
		b.open(everything())
		for range 100 {
			seq := b.put("a")
			for b.log.Head().Seq < seq {
				b.Fatalf("the head is at %v after %d was acknowledged", b.log.Head(), seq)
			}
			<-b.log.Watch() // would block forever
		}
	}},
	{"BoundsDescribeTheContent", func(b *bench) {
		b.open(keep(rule("**", eventlog.Rule{Count: 3})))
		for range 5 {
			b.put("a")
		}
		last := b.put("b", "c")
		records := b.all(eventlog.Everything())
		want := eventlog.Bounds{Head: b.at(last), First: records[0].Seq, Events: 4, Trimmed: 2}
		for i := range records {
			want.Bytes += int64(records[i].Size())
		}
		b.equal("bounds", b.log.Bounds(), want)
	}},
}
