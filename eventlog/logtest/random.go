package logtest

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tidings-sse/tidings/eventlog"
)

// RunRandom applies random operations to a log and to a model, and compares every answer: receipts, records, gaps, bounds. It stops at
// the first difference and prints the operations before it.
func RunRandom(t *testing.T, h Harness, seed uint64, operations int) {
	g := newComparison(t, h, seed)
	for range operations {
		g.step()
	}
}

// comparison is a log and its model.
type comparison struct {
	bench
	seed  uint64
	rand  *rand.Rand
	model *model
	state []byte // of the last Apply
	done  []string

	// cut is set once records were dropped for a new generation. From then on a log may report more gaps than the model, so only
	// records are compared.
	cut bool
}

var randomTopics = []string{"a", "a/b", "a/c", "a/b/d", "b", "b/a", "$x", "$x/y", "b\x00", "b\x00\xff", "c/1", "c/2", "c/3"}

func newComparison(t *testing.T, h Harness, seed uint64) *comparison {
	g := &comparison{seed: seed, rand: rand.New(rand.NewPCG(seed, 1))}
	g.bench = bench{T: t, Harness: h, clock: newClock()}
	r := g.retention()
	defaults, err := r.WithDefaults()
	if err != nil {
		t.Fatal(err)
	}
	if g.open(r); g.Mirror && g.rand.IntN(2) == 0 {
		g.mirror(r)
	}
	g.model = newModel(g.log.Head().Gen, defaults)
	g.model.mirror = g.mirrorLog != nil
	return g
}

func (g *comparison) retention() *eventlog.Retention {
	r := &eventlog.Retention{
		Bytes: -1, Events: -1, Topics: 1 + g.rand.IntN(5),
		KeyAge: time.Duration(1+g.rand.IntN(40)) * time.Second, Keys: 1 + g.rand.IntN(8),
	}
	if g.rand.IntN(2) == 0 {
		r.Bytes = int64(500 + g.rand.IntN(5000))
	}
	if g.rand.IntN(2) == 0 {
		r.Events = int64(5 + g.rand.IntN(40))
	}
	for _, pattern := range []string{"a/b", "a/**", "b/**", "$x/**", "**"} {
		rule := rule(pattern, eventlog.Rule{})
		if g.rand.IntN(2) == 0 {
			rule.Age = time.Duration(1+g.rand.IntN(40)) * time.Second
		}
		switch g.rand.IntN(3) {
		case 0:
			rule.Count = 1 + g.rand.IntN(4)
		case 1:
			rule.Latest = 1 + g.rand.IntN(3)
		}
		r.Rules = append(r.Rules, rule)
	}
	return r
}

// mismatch ends the test and prints the operations that led to it.
func (g *comparison) mismatch(what, diff string) {
	g.Helper()
	g.Fatalf("%s differ (-model +log):\n%s\nthe last of %d operations:\n%s\nretention %+v\nto repeat: TIDINGS_SEED=%d go test -run '^%s$'",
		what, diff, len(g.done), strings.Join(g.done[max(0, len(g.done)-20):], "\n"), g.model.ret, g.seed, g.Name())
}

func (g *comparison) same(what string, model, log any) {
	g.Helper()
	if diff := cmp.Diff(model, log, cmpopts.EquateEmpty(), cmp.Comparer(sameError)); diff != "" {
		g.mismatch(what, diff)
	}
}

// sameError compares errors as a caller sees them. The text for an invalid argument may differ.
func sameError(x, y error) bool {
	if x == nil || y == nil {
		return x == nil && y == nil
	}
	return errors.Is(x, eventlog.ErrInvalid) && errors.Is(y, eventlog.ErrInvalid) || x.Error() == y.Error()
}

func (g *comparison) note(format string, args ...any) {
	g.done = append(g.done, fmt.Sprintf("%d: ", g.clock.time().UnixMilli())+fmt.Sprintf(format, args...))
}

func (g *comparison) step() {
	switch n := g.rand.IntN(100); {
	case n < 12:
		g.clock.move(time.Duration(g.rand.IntN(5000)-500) * time.Millisecond)
	case n < 45:
		g.append()
	case n < 47:
		g.reopen()
	case n < 50:
		g.lookUp()
	case n < 52:
		g.skip()
	case n < 53:
		g.generation()
	case n < 54:
		g.rules()
	case n < 56:
		g.ends()
	case n < 66:
		g.seek()
	default:
		g.read()
	}
	g.model.expire(g.clock.time())
	g.settle()
	model, log := g.model.bounds(), g.log.Bounds()
	if g.cut {
		model.Trimmed, model.Floor = log.Trimmed, log.Floor
		model.DeadTopics, model.DeadBytes = log.DeadTopics, log.DeadBytes
	}
	g.same("bounds", model, log)
}

func (g *comparison) records() []eventlog.Record {
	most := 3
	if g.model.ret.Bytes > 0 || g.model.ret.Events > 0 {
		most = 1 // a log may apply retention per record or per batch, with different results
	}
	records := make([]eventlog.Record, 1+g.rand.IntN(most))
	for i := range records {
		r := &records[i]
		for _, j := range g.rand.Perm(len(randomTopics))[:1+g.rand.IntN(3)*g.rand.IntN(2)] {
			r.Topics = append(r.Topics, randomTopics[j])
		}
		r.Data = strings.Repeat("x", g.rand.IntN(40))
		if g.rand.IntN(4) == 0 {
			r.Key, r.Data = string(rune('k'+g.rand.IntN(4))), string(rune('0'+g.rand.IntN(2)))
			r.Topics = r.Topics[:1]
		}
		if g.rand.IntN(20) == 0 {
			r.Flags = eventlog.End
		}
		if g.rand.IntN(3) == 0 {
			r.ID = string(rune('A' + g.rand.IntN(6)))
		}
	}
	return records
}

func (g *comparison) append() {
	records := g.records()
	if g.mirrorLog != nil {
		g.apply(records)
		return
	}
	g.note("append %+v", records)
	want, wantErr := g.model.append(g.clock.time(), records)
	got, err := g.log.Append(g.Context(), records)
	g.same("errors", wantErr, err)
	g.same("receipts", want, got)
}

// apply applies records as one or more batches, whose numbers have gaps between them and whose times go back at times.
func (g *comparison) apply(records []eventlog.Record) {
	var batches []eventlog.Batch
	for head := g.model.head; len(records) > 0; {
		n := 1 + g.rand.IntN(len(records))
		b := eventlog.Batch{
			First:   head + 1 + uint64(g.rand.IntN(3)),
			Time:    g.clock.time().Add(time.Duration(g.rand.IntN(7)-3) * time.Second),
			Records: records[:n],
		}
		if g.rand.IntN(2) == 0 {
			b.Encoded = encoded(b.Records)
		}
		batches, records, head = append(batches, b), records[n:], b.First+uint64(n)-1
	}
	state := fmt.Appendf(nil, "state %d", len(g.done))
	g.note("apply %+v", batches)
	var want []eventlog.Outcome
	for _, b := range batches {
		want = append(want, g.model.apply(g.clock.time(), b))
	}
	got, err := g.mirrorLog.Apply(g.Context(), batches, fixed(string(state)))
	g.same("errors", nil, err)
	g.same("outcomes", want, got)
	g.state = state
}

// encoded returns the encoding of each record.
func encoded(records []eventlog.Record) []string {
	all := make([]string, len(records))
	for i := range records {
		all[i] = string(records[i].AppendTo(nil))
	}
	return all
}

// ends compares which topics have ended, at this time of the clock.
func (g *comparison) ends() {
	now := g.clock.time()
	if now.Before(g.model.last) {
		now = g.model.last
	}
	for _, topic := range randomTopics {
		var want eventlog.Position
		if end := g.model.end(topic, now, nil); end != 0 {
			want = eventlog.Position{Gen: g.model.gen, Seq: end}
		}
		got, err := g.log.End(g.Context(), topic)
		g.same("errors", nil, err)
		g.same(fmt.Sprintf("ends of %q", topic), want, got)
	}
}

// rules changes the retention rules of a mirror.
func (g *comparison) rules() {
	if g.mirrorLog == nil {
		return
	}
	r := g.retention()
	defaults, err := r.WithDefaults()
	if err != nil {
		g.Fatal(err)
	}
	g.note("retention %+v", r)
	g.model.expire(g.clock.time())
	g.settle()
	g.same("errors", nil, g.mirrorLog.SetRetention(g.Context(), r))
	g.model.retain(g.clock.time(), defaults)
}

func (g *comparison) reopen() {
	if g.Reopen == nil {
		return
	}
	g.note("reopen")
	g.log = g.Reopen(g.T, g.log)
	g.same("heads", eventlog.Position{Gen: g.model.gen, Seq: g.model.head}, g.log.Head())
	if g.mirrorLog != nil {
		g.mirrorLog = g.log.(eventlog.Mirror)
		state, err := g.mirrorLog.State(g.Context())
		g.same("errors", nil, err)
		g.same("states", g.state, state)
	}
}

func (g *comparison) lookUp() {
	l, ok := g.log.(eventlog.Lookup)
	if !ok {
		return
	}
	var want eventlog.Position
	id := string(rune('A' + g.rand.IntN(6)))
	for _, r := range g.model.records {
		if r.ID == id && r.lives() {
			want = eventlog.Position{Gen: g.model.gen, Seq: r.Seq}
		}
	}
	g.note("lookup %s", id)
	got, found, err := l.Lookup(g.Context(), id)
	g.same("errors", nil, err)
	g.same("positions", want, got)
	g.same("whether it was found", !want.IsZero(), found)
}

func (g *comparison) skip() {
	m, ok := g.log.(eventlog.Mirror)
	if !ok {
		return
	}
	to := g.model.head + uint64(g.rand.IntN(3))
	g.note("skip to %d", to)
	if err := m.Skip(g.Context(), to, eventlog.Rollback); errors.Is(err, eventlog.ErrInvalid) != (to == g.model.head) {
		g.Fatalf("skip to %d from %d: %v", to, g.model.head, err)
	} else if err == nil {
		g.model.head, g.model.hole = to, to
	}
}

func (g *comparison) generation() {
	m, ok := g.log.(eventlog.Mirror)
	if !ok {
		return
	}
	after := g.model.head
	if g.rand.IntN(20) == 0 {
		after -= min(after, uint64(g.rand.IntN(5)))
		g.cut = g.cut || after < g.model.head
	}
	gen := fmt.Sprintf("gen%02d", g.rand.IntN(100))
	if gen == g.model.gen {
		return
	}
	g.note("generation %s after %d", gen, after)
	if err := m.SetGeneration(g.Context(), gen, after); err != nil {
		g.Fatal(err)
	}
	g.model.cut(gen, after)
}

func (g *comparison) selector() eventlog.Selector {
	var names []string
	var matchers []eventlog.Matcher
	for range g.rand.IntN(4) {
		names = append(names, randomTopics[g.rand.IntN(len(randomTopics))])
	}
	for _, pattern := range []string{"a/*", "a/**", "*", "**", "b/**", "$x/*", "*/a", "c/*"} {
		if g.rand.IntN(12) == 0 {
			matchers = append(matchers, eventlog.MustPattern(pattern))
		}
	}
	s := eventlog.Select(names, matchers...)
	if g.rand.IntN(10) == 0 {
		s = eventlog.Everything()
	}
	if g.rand.IntN(4) == 0 {
		s = s.Filter(func(r *eventlog.Record) bool { return r.Seq%3 != 0 })
	}
	return s
}

func (g *comparison) read() {
	q := eventlog.Query{Selector: g.selector(), After: eventlog.Position{Gen: g.model.gen, Seq: g.rand.Uint64N(g.model.head + 2)}}
	switch g.rand.IntN(12) {
	case 0:
		q.After.Gen = "other"
	case 1:
		q.After = eventlog.Position{}
	case 2, 3:
		q.Told = g.rand.Uint64N(g.model.head + 1)
	}
	g.compare(q)
}

// compare reads from a query to the head. The log decides on the length of answers.
func (g *comparison) compare(q eventlog.Query) {
	q.Limit = g.rand.IntN(4)
	q.Bytes = g.rand.IntN(2) * (1 + g.rand.IntN(400))
	if g.cut {
		q.Told = math.MaxUint64
	}
	wantGap, from := g.expectGap(q)
	g.note("read %q %v after %v told %d, limit %d, %d bytes", q.Selector.Names(), q.Selector.Matchers(), q.After, q.Told, q.Limit, q.Bytes)
	records, gaps := g.pages(q)
	g.same("records", g.model.read(q.Selector, from), records)
	switch {
	case len(gaps) > 1:
		g.mismatch("gaps", fmt.Sprintf("several gaps in one read: %v", gaps))
	case len(q.Selector.Matchers()) == 0 || wantGap != nil && wantGap.Reason != eventlog.Trimmed:
		g.same("gaps", onlyGap(wantGap), gaps)
	case wantGap != nil && (len(gaps) == 0 || gaps[0].To.Seq < wantGap.To.Seq):
		g.mismatch("gaps", fmt.Sprintf("%v is missing, there is %v", wantGap, gaps)) // more gaps are allowed, fewer are not
	}
}

func onlyGap(gap *eventlog.GapError) []*eventlog.GapError {
	if gap == nil {
		return nil
	}
	return []*eventlog.GapError{gap}
}

// expectGap returns the gap that a query has in the model, and the number after which its reader continues.
func (g *comparison) expectGap(q eventlog.Query) (*eventlog.GapError, uint64) {
	head, from := eventlog.Position{Gen: g.model.gen, Seq: g.model.head}, q.After
	if q.After.IsZero() {
		q.After.Gen = head.Gen
	}
	known := max(q.After.Seq, q.Told)
	switch {
	case q.After.Gen != head.Gen:
		return &eventlog.GapError{Reason: eventlog.Reset, From: q.After, To: head}, head.Seq
	case q.After.Seq > head.Seq:
		return &eventlog.GapError{Reason: eventlog.Rollback, From: q.After, To: head}, head.Seq
	}
	to := g.model.gap(q.Selector, known)
	if to == 0 {
		return nil, q.After.Seq
	}
	reason := eventlog.Trimmed
	if g.model.hole > known {
		reason = eventlog.Rollback
	}
	return &eventlog.GapError{Reason: reason, From: from, To: eventlog.Position{Gen: head.Gen, Seq: to}}, q.After.Seq
}

// seek compares the records that are read after a random Seek.
func (g *comparison) seek() {
	s, from := g.selector(), eventlog.Start{}
	want := g.model.read(s, 0)
	switch g.rand.IntN(3) {
	case 0:
		from.Last = 1 + g.rand.IntN(8)
		n := len(want)
		if draws := rand.New(rand.NewPCG(uint64(from.Last), g.model.head)); draws.IntN(2) == 0 { // the other operations of a seed stay the same
			from.Before = 1 + draws.Uint64N(g.model.head+2)
			n = sort.Search(n, func(i int) bool { return want[i].Seq >= from.Before })
		}
		want = want[max(0, n-from.Last):]
	case 1:
		from.Since = g.clock.time().Add(-time.Duration(g.rand.IntN(40_000)) * time.Millisecond)
		want = slices.DeleteFunc(want, func(r eventlog.Record) bool { return r.Time.Before(from.Since) })
	}
	g.note("seek %q %v from %+v", s.Names(), s.Matchers(), from)
	q, err := g.log.Seek(g.Context(), s, from)
	if err != nil {
		g.Fatal(err)
	}
	records, gaps := g.pages(q)
	g.same("records", want, records)
	g.same("gaps", []*eventlog.GapError(nil), gaps)
}
