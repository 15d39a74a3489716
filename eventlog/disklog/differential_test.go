package disklog_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
)

// TestDiskAndMemoryAreTheSameLog applies the same random operations to both implementations, which share no line of what
// they decide, and compares every answer. What they have in common by mistake, the suite of logtest finds.
func TestDiskAndMemoryAreTheSameLog(t *testing.T) {
	first, operations := uint64(1), 400
	if n, err := strconv.ParseUint(os.Getenv("TIDINGS_SEED"), 10, 64); err == nil {
		first = n
	}
	if n, err := strconv.Atoi(os.Getenv("TIDINGS_OPS")); err == nil {
		operations = n
	}
	for seed := first; seed < first+6; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			newTwins(t, seed).run(operations)
		})
	}
}

type twins struct {
	*testing.T
	rng     *rand.Rand
	now     time.Time
	options *disklog.Options
	disk    *disklog.Log
	memory  *eventlog.Memory
	history []string

	// cut is set when records were dropped for a new generation. What topics had lost is then known only roughly, and each
	// log may warn of more: only what can be read is compared from there on.
	cut bool
}

func newTwins(t *testing.T, seed uint64) *twins {
	w := &twins{T: t, rng: rand.New(rand.NewPCG(seed, 0)), now: time.UnixMilli(1_700_000_000_000)}
	now := func() time.Time { return w.now }
	r := w.retention()
	w.options = &disklog.Options{Retention: r, Now: now}
	w.options.SetFS(vfs.NewMem())
	w.options.TrimOnlyWhenAsked()
	var err error
	if w.disk, err = disklog.Open("log", w.options); err != nil {
		t.Fatal(err)
	}
	if w.memory, err = eventlog.NewMemory(&eventlog.MemoryOptions{Retention: r, Now: now, Generation: w.disk.Head().Gen}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.disk.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("to repeat: TIDINGS_SEED=%d go test -run TestDiskAndMemoryAreTheSameLog ./eventlog/disklog\nretention: %+v\nlast operations:\n%s",
				seed, *r, strings.Join(w.history[max(0, len(w.history)-12):], "\n"))
		}
	})
	return w
}

func (w *twins) retention() *eventlog.Retention {
	r := &eventlog.Retention{Bytes: -1, Topics: 1 + w.rng.IntN(4), Keys: 3 + w.rng.IntN(10), KeyAge: time.Duration(1+w.rng.IntN(50)) * time.Second}
	if w.rng.IntN(2) == 0 {
		r.Events = int64(5 + w.rng.IntN(40))
	}
	if w.rng.IntN(2) == 0 {
		r.Bytes = int64(1000 + w.rng.IntN(5000))
	}
	for _, p := range []string{"a/**", "b/*", "c", "**"} {
		rule := eventlog.Rule{Pattern: eventlog.MustPattern(p)}
		switch w.rng.IntN(5) {
		case 0:
			rule.Count = 1 + w.rng.IntN(4)
		case 1:
			rule.Latest = 1 + w.rng.IntN(3)
		case 2:
			rule.Age = time.Duration(1+w.rng.IntN(30)) * time.Second
		case 3:
			rule.Age, rule.Count = time.Duration(1+w.rng.IntN(30))*time.Second, 1+w.rng.IntN(4)
		}
		r.Rules = append(r.Rules, rule)
	}
	return r
}

var names = []string{"a", "a/x", "a/y", "a/x/1", "b/x", "b/y", "b", "c", "d", "d\x00", "d\x00\xff", "$own", "e/1", "e/2", "e/3"}

func (w *twins) topic() string { return names[w.rng.IntN(len(names))] }

func (w *twins) run(operations int) {
	for i := 0; i < operations && !w.Failed(); i++ {
		switch n := w.rng.IntN(100); {
		case n < 40:
			w.append()
		case n < 50:
			w.now = w.now.Add(time.Duration(w.rng.IntN(4000)) * time.Millisecond)
			w.note("clock %v", w.now.UnixMilli())
		case n < 52:
			w.reopen()
		case n < 55:
			w.lookup()
		case n < 57:
			w.skip()
		case n < 58:
			w.generation()
		case n < 68:
			w.seek()
		default:
			w.read(w.selector(), w.position(), 0)
		}
		w.settle()
	}
}

func (w *twins) note(format string, args ...any) {
	w.history = append(w.history, fmt.Sprintf(format, args...))
}

func (w *twins) settle() {
	if err := w.disk.Trim(w.Context()); err != nil {
		w.Fatal(err)
	}
	disk, memory := w.disk.Bounds(), w.memory.Bounds()
	if w.cut {
		disk.Trimmed, disk.Floor = memory.Trimmed, memory.Floor
	}
	w.same("bounds", disk, memory)
}

func (w *twins) same(what string, disk, memory any) {
	w.Helper()
	if diff := cmp.Diff(memory, disk); diff != "" {
		w.Fatalf("%s differ (-memory +disk):\n%s", what, diff)
	}
}

// plain is an error without what differs between implementations.
func plain(err error) string {
	if gap, ok := errors.AsType[*eventlog.GapError](err); ok {
		return fmt.Sprintf("%+v", *gap)
	}
	if invalid, ok := errors.AsType[*eventlog.InvalidError](err); ok {
		return "invalid " + invalid.What
	}
	if err == nil {
		return ""
	}
	return err.Error()
}

func (w *twins) record() eventlog.Record {
	r := eventlog.Record{Topics: []string{w.topic()}, Data: strings.Repeat("x", w.rng.IntN(50))}
	for w.rng.IntN(3) == 0 {
		if topic := w.topic(); !strings.Contains("|"+strings.Join(r.Topics, "|")+"|", "|"+topic+"|") {
			r.Topics = append(r.Topics, topic)
		}
	}
	if w.rng.IntN(6) == 0 {
		r.Key = fmt.Sprint("key", w.rng.IntN(6))
		r.Data = ""
	}
	if w.rng.IntN(8) == 0 {
		r.ID = fmt.Sprint("id", w.rng.IntN(5))
	}
	if w.rng.IntN(25) == 0 {
		r.Flags = eventlog.End
	}
	return r
}

func (w *twins) append() {
	// When retention is applied within a batch is each log's own business, and what it takes may depend on it.
	most := 3
	if w.options.Retention.Events > 0 || w.options.Retention.Bytes > 0 {
		most = 1
	}
	records := make([]eventlog.Record, 1+w.rng.IntN(most))
	for i := range records {
		records[i] = w.record()
	}
	if w.rng.IntN(6) == 0 {
		w.appendAt(records)
		return
	}
	disk, err1 := w.disk.Append(w.Context(), records)
	memory, err2 := w.memory.Append(w.Context(), records)
	w.note("append %+v: %v %v", records, memory, err2)
	w.same("errors", plain(err1), plain(err2))
	w.same("receipts", disk, memory)
}

func (w *twins) appendAt(records []eventlog.Record) {
	seq := w.memory.Head().Seq
	for i := range records {
		seq += 1 + uint64(w.rng.IntN(2))
		records[i].Seq, records[i].Time = seq, w.now
	}
	disk, err1 := w.disk.AppendAt(w.Context(), records)
	memory, err2 := w.memory.AppendAt(w.Context(), records)
	w.note("append at %+v: %v %v", records, memory, err2)
	w.same("errors", plain(err1), plain(err2))
	if len(disk) != len(memory) {
		w.Fatalf("%d receipts and %d", len(disk), len(memory))
	}
	for i := range disk {
		w.same("refusal", plain(disk[i].Refused), plain(memory[i].Refused))
		disk[i].Refused, memory[i].Refused = nil, nil
	}
	w.same("receipts", disk, memory)
}

func (w *twins) skip() {
	to := w.memory.Head().Seq + uint64(w.rng.IntN(4))
	w.note("skip to %d", to)
	w.same("skip", plain(w.disk.Skip(w.Context(), to, eventlog.Rollback)), plain(w.memory.Skip(w.Context(), to, eventlog.Rollback)))
}

func (w *twins) generation() {
	after := w.memory.Head().Seq
	if w.rng.IntN(20) == 0 {
		after -= min(after, uint64(w.rng.IntN(5)))
		w.cut = true
	}
	gen := eventlog.NewGeneration()
	w.note("generation %s after %d", gen, after)
	w.same("generation", plain(w.disk.SetGeneration(w.Context(), gen, after)), plain(w.memory.SetGeneration(w.Context(), gen, after)))
}

func (w *twins) reopen() {
	w.note("reopen")
	if err := w.disk.Close(); err != nil {
		w.Fatal(err)
	}
	var err error
	if w.disk, err = disklog.Open("log", w.options); err != nil {
		w.Fatal(err)
	}
	w.same("head", w.disk.Head(), w.memory.Head())
}

func (w *twins) lookup() {
	id := fmt.Sprint("id", w.rng.IntN(5))
	p1, ok1, err1 := w.disk.Lookup(w.Context(), id)
	p2, ok2, err2 := w.memory.Lookup(w.Context(), id)
	w.note("lookup %s: %v", id, p2)
	w.same("lookup", fmt.Sprint(p1, ok1, err1), fmt.Sprint(p2, ok2, err2))
}

func (w *twins) selector() eventlog.Selector {
	if w.rng.IntN(8) == 0 {
		return eventlog.Everything()
	}
	var topics []string
	for range w.rng.IntN(4) {
		topics = append(topics, w.topic())
	}
	var matchers []eventlog.Matcher
	for _, p := range []string{"a/**", "*/x", "b/*", "e/*", "**", "*"} {
		if w.rng.IntN(10) == 0 {
			matchers = append(matchers, eventlog.MustPattern(p))
		}
	}
	sel := eventlog.Select(topics, matchers...)
	if w.rng.IntN(6) == 0 {
		sel = sel.Filter(func(r *eventlog.Record) bool { return len(r.Data)%2 == 0 })
	}
	return sel
}

func (w *twins) position() eventlog.Position {
	head := w.memory.Head()
	switch w.rng.IntN(10) {
	case 0:
		return eventlog.Position{}
	case 1:
		return eventlog.Position{Gen: "other", Seq: uint64(w.rng.IntN(20))}
	case 2:
		return eventlog.Position{Gen: head.Gen, Seq: head.Seq + uint64(w.rng.IntN(3))}
	}
	return eventlog.Position{Gen: head.Gen, Seq: uint64(w.rng.Uint64N(head.Seq + 1))}
}

// read pages from a position to the head, over gaps. How far an answer is complete when it could say more, and so
// where a page ends, is each log's own business.
func (w *twins) read(sel eventlog.Selector, after eventlog.Position, told uint64) {
	q := eventlog.Query{Selector: sel, After: after, Told: told, Limit: 1 + w.rng.IntN(8)}
	if w.rng.IntN(4) == 0 {
		q.Bytes = 1 + w.rng.IntN(400)
	}
	w.note("read %q %v after %v told %d limit %d", sel.Names(), sel.Matchers(), q.After, q.Told, q.Limit)
	w.samePages(q, q)
}

func (w *twins) samePages(disk, memory eventlog.Query) {
	w.Helper()
	if w.cut {
		disk.Told, memory.Told = math.MaxUint64, math.MaxUint64
	}
	diskGaps, diskRecords := w.pages(w.disk, disk)
	gaps, records := w.pages(w.memory, memory)
	w.note("  gaps %q, %d records", gaps, len(records))
	w.same("gaps", diskGaps, gaps)
	w.same("records", diskRecords, records)
}

func (w *twins) pages(l eventlog.Log, q eventlog.Query) (gaps []string, records []eventlog.Record) {
	for {
		answer, err := l.Read(w.Context(), q)
		if gap, ok := errors.AsType[*eventlog.GapError](err); ok {
			gaps = append(gaps, plain(err))
			q = gap.Partial(q)
			continue
		} else if err != nil {
			w.Fatal(err)
		}
		records = append(records, answer.Records...)
		if answer.Complete == l.Head() {
			return gaps, records
		}
		if answer.Complete.Seq <= q.After.Seq {
			w.Fatalf("no progress from %v", q.After)
		}
		q.After = answer.Complete
	}
}

func (w *twins) seek() {
	sel := w.selector()
	var from eventlog.Start
	switch w.rng.IntN(3) {
	case 0:
		from.Last = 1 + w.rng.IntN(12)
	case 1:
		from.Since = w.now.Add(-time.Duration(w.rng.IntN(40_000)) * time.Millisecond)
	}
	q1, err1 := w.disk.Seek(w.Context(), sel, from)
	q2, err2 := w.memory.Seek(w.Context(), sel, from)
	w.note("seek %q %v %+v: after %v told %d %v", sel.Names(), sel.Matchers(), from, q2.After, q2.Told, err2)
	w.same("errors", plain(err1), plain(err2))
	w.samePages(q1, q2)
}
