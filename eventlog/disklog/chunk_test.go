package disklog_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
)

// stillOptions returns options for a log in memory whose clock stands still.
func stillOptions(rules ...eventlog.Rule) (o *disklog.Options, now *time.Time) {
	now = new(time.Unix(1e9, 0))
	o = &disklog.Options{
		Retention: &eventlog.Retention{Rules: rules, Bytes: -1}, Cache: 1 << 20, Reserve: -1,
		Now: func() time.Time { return *now },
	}
	o.SetFS(vfs.NewMem())
	o.TrimOnlyWhenAsked()
	return o, now
}

func rule(pattern string, r eventlog.Rule) eventlog.Rule {
	r.Pattern = eventlog.MustPattern(pattern)
	return r
}

// manyTopics is a record with n topics.
func manyTopics(n int) eventlog.Record {
	r := eventlog.Record{Data: "x"}
	for i := range eventlog.MaxTopics {
		r.Topics = append(r.Topics, fmt.Sprintf("many/%d/%d", n, i))
	}
	return r
}

// TestTrimmingIsWrittenInLimitedChunks: appends wait for a chunk, and Pebble panics on batches of 4 GiB. The limit of a chunk must count
// bytes: a record can have a thousand topics. It must count records that stay under other topics, too.
func TestTrimmingIsWrittenInLimitedChunks(t *testing.T) {
	t.Parallel()
	const chunk = 64 << 10
	most := func(o *disklog.Options) (largest *int) {
		largest = new(int)
		o.SetChunk(chunk)
		o.OnChunk(func(bytes int) { *largest = max(*largest, bytes) })
		return largest
	}
	check := func(log *disklog.Log, what string, largest *int, bound int, left int64) {
		t.Helper()
		if err := log.Trim(t.Context()); err != nil {
			t.Fatal(err)
		}
		if events := log.Bounds().Events; *largest > bound || *largest == 0 || events != left {
			t.Errorf("%s: the largest chunk has %d bytes, want at most %d; %d records are left, want %d", what, *largest, bound, events, left)
		}
	}

	o, now := stillOptions(rule("**", eventlog.Rule{Age: time.Hour}))
	largest := most(o)
	log := mustOpen(t, "log", o)
	for i := range 15 {
		mustAppend(t, log, manyTopics(i))
	}
	*now = now.Add(2 * time.Hour)
	check(log, "many topics", largest, 4*chunk, 0) // one record alone is that large

	o, _ = stillOptions(rule("all", eventlog.Rule{}), rule("count/*", eventlog.Rule{Count: 1}))
	largest = most(o)
	log = mustOpen(t, "log", o)
	for i := range 300 {
		var batch []eventlog.Record
		for j := range 10 {
			batch = append(batch, eventlog.Record{Topics: []string{fmt.Sprintf("count/%d", (10*i+j)%100), "all"}})
		}
		mustAppend(t, log, batch...)
	}
	check(log, "nothing is buried", largest, 2*chunk, 3000)
	gap := &eventlog.GapError{}
	if _, err := log.Read(t.Context(), eventlog.Query{Selector: eventlog.Topics("count/7")}); !errors.As(err, &gap) || gap.To.Seq != 2808 {
		t.Errorf("count/7 has %v, want a gap up to 2808", err)
	}

	o, _ = stillOptions(rule("count", eventlog.Rule{Count: 1}))
	largest = most(o)
	log = mustOpen(t, "log", o)
	for i := range 60 {
		mustAppend(t, log, eventlog.Record{Topics: append(manyTopics(i).Topics[1:], "count"), ID: strings.Repeat("x", 1000)})
	}
	check(log, "one topic of many", largest, 2*chunk, 60)
}

// TestCallsBehindASlowReaderEndWithTheirContext: while a reader's filter blocks, a call that needs the store for itself waits. Other calls
// must not wait behind it longer than their contexts allow.
func TestCallsBehindASlowReaderEndWithTheirContext(t *testing.T) {
	t.Parallel()
	o, _ := stillOptions()
	log := mustOpen(t, "log", o)
	mustAppend(t, log, eventlog.Record{Topics: []string{"a"}})
	reading, goOn := make(chan struct{}), make(chan struct{})
	slow := eventlog.Everything().Filter(func(*eventlog.Record) bool {
		close(reading)
		<-goOn
		return true
	})
	results := make(chan error, 2)
	go func() {
		answer, err := log.Read(t.Context(), eventlog.Query{Selector: slow})
		if len(answer.Records) != 1 {
			err = errors.Join(err, fmt.Errorf("%d records", len(answer.Records)))
		}
		results <- err
	}()
	<-reading
	mustAppend(t, log, eventlog.Record{Topics: []string{"a"}}) // no call waits so far
	mustRead(t, log, eventlog.Query{Selector: eventlog.Everything()})
	if err := log.Skip(t.Context(), 5, eventlog.Rollback); err != nil {
		t.Error(err)
	}

	go func() { results <- log.SetGeneration(t.Context(), "other", 1) }()
	for !log.Taken() {
		runtime.Gosched()
	}
	calls := map[string]func(context.Context) error{
		"Read": func(ctx context.Context) error {
			_, err := log.Read(ctx, eventlog.Query{Selector: eventlog.Everything()})
			return err
		},
		"Seek": func(ctx context.Context) error {
			_, err := log.Seek(ctx, eventlog.Everything(), eventlog.Start{Last: 1})
			return err
		},
		"Lookup": func(ctx context.Context) error { _, _, err := log.Lookup(ctx, "id"); return err },
		"Append": func(ctx context.Context) error {
			_, err := log.Append(ctx, []eventlog.Record{{Topics: []string{"a"}}})
			return err
		},
		"Trim": log.Trim,
	}
	for name, call := range calls {
		ctx, cancel := context.WithCancel(t.Context())
		called := make(chan error, 1)
		go func() { called <- call(ctx) }()
		cancel()
		if err := <-called; !errors.Is(err, context.Canceled) {
			t.Errorf("%s returns %v", name, err)
		}
	}
	close(goOn)
	for range 2 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if head := log.Head(); head.Gen != "other" {
		t.Errorf("the head is %v", head)
	}
}

// TestCatchingUpOverRecordsKeptByOthersIsLinear: a page must not check again every record that one topic has trimmed and another still has.
func TestCatchingUpOverRecordsKeptByOthersIsLinear(t *testing.T) {
	o, _ := stillOptions(rule("count", eventlog.Rule{Count: 1}))
	log := mustOpen(t, "log", o)
	const n = 20_000
	lost := []uint64{7000, 15_000} // kept by a topic that the reader does not select
	for i := range n / 1000 {
		batch := make([]eventlog.Record, 1000)
		for j := range batch {
			batch[j].Topics = []string{"count", "all"}
			if slices.Contains(lost, uint64(1000*i+j+1)) {
				batch[j].Topics[1] = "other"
			}
		}
		mustAppend(t, log, batch...)
	}
	if err := log.Trim(t.Context()); err != nil {
		t.Fatal(err)
	}
	sel := eventlog.Topics("count", "all")
	page := func() { mustRead(t, log, eventlog.Query{Selector: sel, Limit: 10}) }
	least := math.Inf(1)
	for try := 0; try < 5 && least > 2*n; try++ { // the count includes allocations of other goroutines, such as compactions
		least = min(least, testing.AllocsPerRun(1, page))
	}
	if least > 2*n { // checking all records took about five per record
		t.Errorf("a page takes %v allocations", least)
	}
	pages, found := 0, 0
	for q := (eventlog.Query{Selector: sel}); q.After != log.Head(); pages++ {
		answer, err := log.Read(t.Context(), q)
		if gap, ok := errors.AsType[*eventlog.GapError](err); ok {
			lost = slices.DeleteFunc(lost, func(seq uint64) bool { return seq > q.After.Seq && seq <= gap.To.Seq })
			q = gap.Partial(q)
			continue
		} else if err != nil {
			t.Fatal(err)
		}
		found += len(answer.Records)
		q.After = answer.Complete
		for _, seq := range lost {
			if seq <= answer.Complete.Seq {
				t.Fatalf("an answer is complete up to %d, and %d is lost", answer.Complete.Seq, seq)
			}
		}
	}
	if found != n-2 || len(lost) > 0 || pages > n/1000+20 {
		t.Errorf("%d records of %d were found, in %d pages; nothing was said of %v", found, n-2, pages, lost)
	}
}

// TestClockBehindTheNewestRecordIsLogged: new records then get the time of the newest record, and no record expires until the clock catches
// up.
func TestClockBehindTheNewestRecordIsLogged(t *testing.T) {
	t.Parallel()
	o, now := stillOptions()
	var logged strings.Builder
	o.Logger = slog.New(slog.NewTextHandler(&logged, nil))
	log := mustOpen(t, "log", o)
	mustAppend(t, log, eventlog.Record{Topics: []string{"a"}})
	*now = now.Add(-30 * time.Second)
	mustAppend(t, log, eventlog.Record{Topics: []string{"a"}})
	if logged.Len() > 0 {
		t.Errorf("a clock that is half a minute behind is logged: %s", &logged)
	}
	*now = now.Add(-time.Hour)
	for range 3 {
		mustAppend(t, log, eventlog.Record{Topics: []string{"a"}})
	}
	if n := strings.Count(logged.String(), "check the clock"); n != 1 {
		t.Errorf("the clock was logged %d times: %s", n, &logged)
	}
}

// TestPatternReadersDoNotVisitAllTopicsForEachPage: topics trim all the time while a reader catches up by pattern. The log must not visit
// the state of every topic for each page.
func TestPatternReadersDoNotVisitAllTopicsForEachPage(t *testing.T) {
	o, _ := stillOptions(rule("count/*", eventlog.Rule{Count: 1}), rule("moves", eventlog.Rule{Count: 1}))
	log := mustOpen(t, "log", o)
	const n = 3000
	put := func(topics ...string) {
		var batch []eventlog.Record
		for _, topic := range topics {
			batch = append(batch, eventlog.Record{Topics: []string{topic}})
		}
		mustAppend(t, log, batch...)
		if err := log.Trim(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	var all []string
	for i := range n {
		all = append(all, fmt.Sprint("count/", i), fmt.Sprint("count/", i))
	}
	put(all...)
	after := log.Head()
	put("count/1", "other", "moves", "moves")
	allocs := func(pattern string) float64 {
		q := eventlog.Query{Selector: eventlog.Select(nil, eventlog.MustPattern(pattern)), After: after}
		return testing.AllocsPerRun(1, func() { // AllocsPerRun runs the function once before it counts
			if _, err := log.Read(t.Context(), q); err != nil && !errors.Is(err, eventlog.ErrGap) {
				t.Error(err)
			}
		})
	}
	if got := allocs("count/*"); got > n/10 {
		t.Errorf("a page takes %v allocations", got)
	}
	// Later trimming updates the remembered losses.
	q := eventlog.Query{Selector: eventlog.Select(nil, eventlog.MustPattern("*/1")), After: after}
	for range 2 {
		if answer := mustRead(t, log, q); len(answer.Records) != 1 {
			t.Fatalf("%+v", answer)
		}
		q.After = log.Head()
		put("other")
		if answer := mustRead(t, log, q); len(answer.Records) != 0 {
			t.Fatalf("%+v", answer)
		}
		put("count/1", "count/1")
		gap := &eventlog.GapError{}
		if _, err := log.Read(t.Context(), q); !errors.As(err, &gap) || gap.To.Seq != log.Head().Seq-1 {
			t.Fatalf("%v; want a gap up to the last but one, %v", err, log.Head())
		}
		q.After = eventlog.Position{Gen: q.After.Gen, Seq: log.Head().Seq - 1}
	}
}

// TestSeekingThroughAFilterIsLinear: for each record that the filter drops, the log must not search every topic for the record before it.
func TestSeekingThroughAFilterIsLinear(t *testing.T) {
	o, _ := stillOptions()
	log := mustOpen(t, "log", o)
	const n = 4000
	var names []string
	for i := range 100 {
		names = append(names, fmt.Sprint("topic/", i))
	}
	var batch []eventlog.Record
	for i := range n {
		batch = append(batch, eventlog.Record{Topics: []string{names[i%len(names)]}})
	}
	mustAppend(t, log, batch...)
	for _, sel := range []eventlog.Selector{eventlog.Topics(names...), eventlog.Select(nil, eventlog.MustPattern("topic/*"))} {
		looked := 0
		sel = sel.Filter(func(r *eventlog.Record) bool { looked++; return r.Seq == 1 })
		allocs := testing.AllocsPerRun(1, func() {
			if q, err := log.Seek(t.Context(), sel, eventlog.Start{Last: 1}); err != nil || q.After.Seq != 0 {
				t.Errorf("%+v, %v", q, err)
			}
		})
		if looked != 2*n || allocs > 30*n {
			t.Errorf("%d records were looked at in two runs, with %v allocations", looked, allocs)
		}
	}
}

// TestSeekIsNotFollowedByEarlierGaps: Seek ignores losses before the start. A Read that checks only some of the records that other topics
// keep must not report the others as a gap.
func TestSeekIsNotFollowedByEarlierGaps(t *testing.T) {
	t.Parallel()
	o, _ := stillOptions(rule("count", eventlog.Rule{Count: 1}))
	log := mustOpen(t, "log", o)
	const n = 9000
	for i := range n / 1000 {
		batch := make([]eventlog.Record, 1000)
		for j := range batch {
			batch[j].Topics = []string{"count", "all"}
		}
		if i == 4 {
			batch[500].Topics[1] = "other"
		}
		mustAppend(t, log, batch...)
	}
	if err := log.Trim(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, sel := range []eventlog.Selector{eventlog.Topics("count", "all"), eventlog.Select([]string{"all"}, eventlog.MustPattern("count"))} {
		q, err := log.Seek(t.Context(), sel, eventlog.Start{})
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for q.After != log.Head() {
			answer := mustRead(t, log, q)
			found += len(answer.Records)
			q.After = answer.Complete
		}
		if found != n-1 {
			t.Errorf("%d records are found, want %d", found, n-1)
		}
	}
}

// heldFS blocks syncs of the write-ahead log while it is held.
type heldFS struct {
	vfs.FS
	held atomic.Pointer[chan struct{}]
}

func (h *heldFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := h.FS.Create(name, c)
	return &heldFile{f, h}, err
}

type heldFile struct {
	vfs.File
	fs *heldFS
}

func (f *heldFile) Sync() error     { f.wait(); return f.File.Sync() }
func (f *heldFile) SyncData() error { f.wait(); return f.File.SyncData() }

func (f *heldFile) wait() {
	if held := f.fs.held.Load(); held != nil {
		<-*held
	}
}

// TestTrimmerSeesTheRecordsThatWokeIt: the trimmer learns of a topic over its limit only when the records are visible. Otherwise, with a slow
// sync, it would look too early, find nothing to do, and not look again.
func TestTrimmerSeesTheRecordsThatWokeIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := &heldFS{FS: vfs.NewMem()}
		o := &disklog.Options{Retention: &eventlog.Retention{Rules: []eventlog.Rule{rule("latest", eventlog.Rule{Latest: 1})}}, Reserve: -1}
		o.SetFS(fs)
		log, err := disklog.Open("log", o)
		if err != nil {
			t.Fatal(err)
		}
		mustAppend(t, log, eventlog.Record{Topics: []string{"latest"}})
		time.Sleep(5 * time.Second) // the first sweep is over
		held := make(chan struct{})
		fs.held.Store(&held)
		appended := make(chan struct{})
		go func() {
			defer close(appended)
			mustAppend(t, log, eventlog.Record{Topics: []string{"latest"}})
		}()
		time.Sleep(5 * time.Second) // the trimmer runs, and finds one record
		fs.held.Store(nil)
		close(held)
		<-appended
		time.Sleep(5 * time.Second)
		if n := log.Bounds().Events; n != 1 {
			t.Errorf("there are %d records, want 1", n)
		}
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	})
}
