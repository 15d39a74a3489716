package eventlog_test

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidings-sse/tidings/eventlog"
)

var seedFlag = flag.Uint64("memory.seed", 0, "repeat the random test of the log in memory with this seed")

// TestMemoryDoesWhatTheModelDoes compares the log with one that forgets nothing, gaps to the last number included.
func TestMemoryDoesWhatTheModelDoes(t *testing.T) {
	first, rounds := uint64(time.Now().UnixNano()), 80
	if *seedFlag != 0 {
		first, rounds = *seedFlag, 1
	}
	for i := range uint64(rounds) {
		p := newPair(t, first+i)
		for range 120 {
			p.step()
		}
		if err := p.log.CheckInvariants(); err != nil {
			p.fatalf("%v", err)
		}
	}
}

// pair is a log and its model.
type pair struct {
	t     *testing.T
	seed  uint64
	rand  *rand.Rand
	now   time.Time
	log   *eventlog.Memory
	model *model
	done  []string
}

var topicNames = []string{"a", "a/b", "a/c", "a/b/d", "b", "b/a", "$x", "$x/y"}

func newPair(t *testing.T, seed uint64) *pair {
	p := &pair{t: t, seed: seed, rand: rand.New(rand.NewPCG(seed, 1)), now: time.UnixMilli(1_000_000).UTC()}
	ret := eventlog.Retention{
		Rules: []eventlog.Rule{
			{Pattern: glob("a/b"), Count: 1 + p.rand.IntN(3), Age: time.Duration(p.rand.IntN(2)*30) * time.Millisecond},
			{Pattern: glob("a/*"), Latest: 1 + p.rand.IntN(3), Age: time.Duration(p.rand.IntN(2)*50) * time.Millisecond},
			{Pattern: glob("b/**"), Age: 20 * time.Millisecond},
			{Pattern: glob("$x/**"), Count: 5},
		},
		Bytes:  int64(200 + p.rand.IntN(5000)),
		Events: int64(5 + p.rand.IntN(30)),
		Topics: p.rand.IntN(5) - 1,
		KeyAge: time.Duration(1+p.rand.IntN(40)) * time.Millisecond,
		Keys:   1 + p.rand.IntN(5),
	}
	defaults, err := ret.WithDefaults()
	if err != nil {
		t.Fatal(err)
	}
	if ret.Topics == 0 {
		ret.Topics, defaults.Topics = 2, 2
	}
	p.model = &model{ret: defaults, gen: "model", topics: map[string]*modelTopic{}}
	clock := func() time.Time { return p.now }
	p.log, err = eventlog.NewMemory(&eventlog.MemoryOptions{Retention: &ret, Generation: "model", Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *pair) fatalf(format string, args ...any) {
	p.t.Helper()
	p.t.Fatalf("%s\n%s\nagain: go test ./eventlog -run %s -memory.seed=%d",
		strings.Join(p.done, "\n"), fmt.Sprintf(format, args...), p.t.Name(), p.seed)
}

func (p *pair) step() {
	p.now = p.now.Add(time.Duration(p.rand.IntN(4)-1) * time.Millisecond)
	switch n := p.rand.IntN(20); {
	case n == 0:
		p.now = p.now.Add(time.Duration(p.rand.IntN(60)) * time.Millisecond)
	case n == 1:
		p.skip()
	case n < 4:
		p.appendAt()
	case n < 10:
		p.append()
	case n < 18:
		p.read()
	default:
		p.seek()
	}
	p.expire()
	if diff := cmp.Diff(p.model.bounds(), p.log.Bounds()); diff != "" {
		p.fatalf("bounds: %s", diff)
	}
	p.lookup()
}

func (p *pair) lookup() {
	var want eventlog.Position
	id := string(rune('A' + p.rand.IntN(6)))
	for _, r := range p.model.records {
		if r.ID == id && r.lives() {
			want = eventlog.Position{Gen: "model", Seq: r.Seq}
		}
	}
	got, found, err := p.log.Lookup(p.t.Context(), id)
	if got != want || found == want.IsZero() || err != nil {
		p.fatalf("lookup of %s: %v, %v, %v; want %v", id, got, found, err, want)
	}
}

func (p *pair) expire() { p.model.expire(p.now) }

func (p *pair) say(format string, args ...any) {
	p.done = append(p.done, fmt.Sprintf("%d: ", p.now.UnixMilli())+fmt.Sprintf(format, args...))
}

func (p *pair) records() []eventlog.Record {
	records := make([]eventlog.Record, 1+p.rand.IntN(3))
	for i := range records {
		r := &records[i]
		for _, j := range p.rand.Perm(len(topicNames))[:1+p.rand.IntN(3)] {
			r.Topics = append(r.Topics, topicNames[j])
		}
		r.Data = strings.Repeat("x", p.rand.IntN(40))
		if p.rand.IntN(3) == 0 {
			r.Key, r.Data = string(rune('k'+p.rand.IntN(4))), string(rune('0'+p.rand.IntN(2)))
			r.Topics = r.Topics[:1]
		}
		if p.rand.IntN(12) == 0 {
			r.Flags = eventlog.End
		}
		r.ID = string(rune('A' + p.rand.IntN(6)))
	}
	return records
}

func (p *pair) append() {
	records := p.records()
	p.say("append %+v", records)
	want, wantErr := p.model.append(p.now, records)
	got, gotErr := p.log.Append(p.t.Context(), records)
	if diff := cmp.Diff(want, got) + cmp.Diff(wantErr, gotErr); diff != "" {
		p.fatalf("receipts: %s", diff)
	}
}

func (p *pair) appendAt() {
	records, seq := p.records(), p.model.head
	for i := range records {
		seq += 1 + uint64(p.rand.IntN(3))
		records[i].Seq, records[i].Time = seq, p.now.Add(time.Duration(p.rand.IntN(7)-3)*time.Millisecond)
	}
	p.say("append at %+v", records)
	want := p.model.appendAt(p.now, records)
	got, err := p.log.AppendAt(p.t.Context(), records)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		p.fatalf("receipts: %s %v", diff, err)
	}
}

func (p *pair) skip() {
	to := p.model.head + uint64(p.rand.IntN(3))
	p.say("skip to %d", to)
	err := p.log.Skip(p.t.Context(), to, eventlog.Rollback)
	if errors.Is(err, eventlog.ErrInvalid) != (to == p.model.head) {
		p.fatalf("skip: %v", err)
	}
	if err == nil {
		p.model.head, p.model.hole = to, to
	}
}

func (p *pair) selector() eventlog.Selector {
	var names []string
	var matchers []eventlog.Matcher
	for range p.rand.IntN(4) {
		names = append(names, topicNames[p.rand.IntN(len(topicNames))])
	}
	for _, pattern := range []string{"a/*", "a/**", "*", "**", "b/**", "$x/*"} {
		if p.rand.IntN(10) == 0 {
			matchers = append(matchers, glob(pattern))
		}
	}
	s := eventlog.Select(names, matchers...)
	if p.rand.IntN(10) == 0 {
		s = eventlog.Everything()
	}
	if p.rand.IntN(3) == 0 {
		s = s.Filter(func(r *eventlog.Record) bool { return r.Seq%3 != 0 })
	}
	return s
}

func (p *pair) read() {
	q := eventlog.Query{Selector: p.selector(), After: eventlog.Position{Gen: "model", Seq: p.rand.Uint64N(p.model.head + 2)}}
	if p.rand.IntN(2) == 0 {
		q.Told = p.rand.Uint64N(p.model.head + 1)
	}
	q.Limit = p.rand.IntN(4)
	q.Bytes = p.rand.IntN(2) * (1 + p.rand.IntN(400))
	p.say("read %v after %v told %d, limit %d, %d bytes", q.Selector.Names(), q.After, q.Told, q.Limit, q.Bytes)
	p.expire()
	gap, err := error(nil), error(nil)
	head := eventlog.Position{Gen: "model", Seq: p.model.head}
	if q.After.Seq > head.Seq {
		gap = &eventlog.GapError{Reason: eventlog.Rollback, From: q.After, To: head}
	} else if to := p.model.gap(q.Selector, max(q.After.Seq, q.Told)); to > 0 {
		reason := eventlog.Trimmed
		if p.model.hole > max(q.After.Seq, q.Told) {
			reason = eventlog.Rollback
		}
		gap = &eventlog.GapError{Reason: reason, From: q.After, To: eventlog.Position{Gen: "model", Seq: to}}
	}
	answer, err := p.log.Read(p.t.Context(), q)
	if diff := cmp.Diff(gap, err); diff != "" {
		p.fatalf("gap: %s", diff)
	}
	if err == nil {
		p.compare(q, answer)
	}
}

// compare looks whether an answer is what the model has, as far as its limits go.
func (p *pair) compare(q eventlog.Query, answer eventlog.Answer) {
	q = q.WithDefaults()
	want, complete, bytes := p.model.read(q.Selector, q.After.Seq), p.model.head, 0
	for i := range want {
		if bytes += want[i].Size(); i == q.Limit || i > 0 && bytes > q.Bytes {
			want, complete = want[:i], want[i-1].Seq
			break
		}
	}
	if diff := cmp.Diff(want, answer.Records); diff != "" {
		p.fatalf("records: %s", diff)
	}
	// An answer that is full may end at any place before the next record that matches.
	least := complete
	if len(want) == q.Limit {
		least = want[len(want)-1].Seq
	}
	rest := slices.DeleteFunc(p.model.read(q.Selector, least), func(r eventlog.Record) bool {
		return r.Seq > answer.Complete.Seq
	})
	if answer.Complete.Seq < least || len(rest) > 0 || len(want) < q.Limit && answer.Complete.Seq != complete {
		p.fatalf("complete %v, want %d", answer.Complete, complete)
	}
}

func (p *pair) seek() {
	s, from, after := p.selector(), eventlog.Start{}, uint64(0)
	p.expire()
	switch want := p.model.read(s, 0); p.rand.IntN(3) {
	case 0:
		from.Last = 1 + p.rand.IntN(5)
		if n := len(want) - from.Last; n >= 0 {
			after = want[n].Seq - 1
		}
	case 1:
		from.Since, after = p.now.Add(-time.Duration(p.rand.IntN(40))*time.Millisecond), p.model.head
		i := slices.IndexFunc(p.model.records, func(r *modelRecord) bool { return r.lives() && !r.Time.Before(from.Since) })
		if i >= 0 {
			after = p.model.records[i].Seq - 1
		}
	}
	p.say("seek %v from %+v", s.Names(), from)
	q, err := p.log.Seek(p.t.Context(), s, from)
	if err != nil || q.After.Seq != after || q.Told != p.model.gap(s, after) {
		p.fatalf("seek: %v told %d, %v; want %d told %d", q.After, q.Told, err, after, p.model.gap(s, after))
	}
	if _, err := p.log.Read(p.t.Context(), q); err != nil {
		p.fatalf("read where seek said: %v", err)
	}
}
