package conform

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/tidings-sse/tidings/sse"
	"github.com/tidings-sse/tidings/sse/ssetest"
)

// Options are the settings of a run. The zero value means the defaults.
type Options struct {
	Parallel int           // how many cases run at the same time. 0: 64
	Answer   time.Duration // how long the driver may take to answer GET. 0: 15 s
	Patience time.Duration // how long a case may take beyond the delays that it asks for. 0: 15 s
	Longest  time.Duration // cases that ask for a longer delay end before it. 0: 5 s
	Progress func(string)  // gets a line at the start, and one after every 50 runs of cases. Calls do not overlap. nil: none
}

// The suites, which are the columns of a report.
const (
	Parser    = "parser"    // streams that arrive whole
	Bytewise  = "bytewise"  // the same streams, byte by byte
	Lifecycle = "lifecycle" // connecting, redirects, failing, reconnecting
	Resume    = "resume"    // the Last-Event-ID of reconnections
)

// Result is the outcome of a case.
type Result struct {
	Suite, Case string
	Section     string // of the WHATWG HTML Living Standard
	Sentence    string // of that section
	Says        string // what it requires in this case
	Fault       error  // nil: passed
	LeftOut     string // why the program cannot be asked to do this; "": it was
}

// trial is a case with what it needs.
type trial struct {
	Result
	url       string
	header    http.Header
	close     int
	answers   []ssetest.Answer
	otherwise ssetest.Answer
	requests  []ssetest.Connection // expected
	repeats   bool                 // more requests than expected are right
	events    []sse.Event
	cut       time.Duration // if not 0, the case ends before a request that comes after this delay, and events may be missing
	outcome   ssetest.Outcome
	resumes   *string // the Last-Event-ID of the second request, if there must be one
}

// RunClient runs all cases against the client behind the driver at url.
func RunClient(ctx context.Context, url string, o Options) (Client, []Result, error) {
	if o.Parallel == 0 {
		o.Parallel = 64
	}
	if o.Answer == 0 {
		o.Answer = 15 * time.Second
	}
	if o.Patience == 0 {
		o.Patience = 15 * time.Second
	}
	if o.Longest == 0 {
		o.Longest = 5 * time.Second
	}
	client, err := ask(ctx, url, o.Answer)
	if err != nil {
		return client, nil, err
	}
	if err := try(ctx, url, openTime); err != nil {
		return client, nil, err
	}
	trials := slices.Concat(parserTrials(o), lifecycleTrials(o))
	results := make([]Result, len(trials))
	say := o.progress(len(trials))
	// A client may send one more request after its case. Its stage stays open until the end, so that this request reaches no other case.
	stages := make([]*stage, len(trials))
	defer func() {
		for _, s := range stages {
			s.close()
		}
	}()
	slots := make(chan struct{}, o.Parallel)
	var wg sync.WaitGroup
	for i, t := range trials {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			stages[i] = newStage(t.otherwise, t.answers...)
			results[i] = t.run(ctx, url, client, stages[i], o)
			say()
		})
	}
	wg.Wait()
	return client, results, ctx.Err()
}

// openTime is how long a driver may take to open its client: a browser opens a page.
const openTime = time.Minute

// progress reports the start of a run. It returns a function that counts a run of a case as done.
func (o Options) progress(all int) (done func()) {
	if o.Progress == nil {
		return func() {}
	}
	o.Progress(fmt.Sprintf("%d runs, %d at the same time; a run that waits in vain takes %v or more", all, o.Parallel, o.Patience))
	var mu sync.Mutex // guards count
	count := 0
	return func() {
		mu.Lock()
		defer mu.Unlock()
		if count++; count%50 == 0 {
			o.Progress(fmt.Sprintf("%d of %d runs done", count, all))
		}
	}
}

// run runs a case and returns its result.
func (t trial) run(ctx context.Context, driver string, client Client, s *stage, o Options) Result {
	switch {
	case client.ParserOnly && t.Suite != Parser && t.Suite != Bytewise:
		t.LeftOut = "the client is only a parser"
		return t.Result
	case len(t.header) > 0 && !client.Headers:
		t.LeftOut = "the client cannot send header fields of the program"
		return t.Result
	}
	if client.ParserOnly {
		t.resumes = nil
	}
	if s.fault != nil {
		t.Fault = s.fault
		return t.Result
	}
	defer s.script.Close()
	limit := o.Patience
	for _, c := range t.requests {
		limit += max(c.After, 0)
		if c.AfterDefault {
			limit += time.Duration(client.Reconnection) * time.Millisecond
		}
	}
	headers := map[string]string{}
	for name := range maps.Keys(t.header) {
		headers[name] = t.header.Get(name)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	w := &witness{client: client, opened: make(chan struct{})}
	ended := make(chan error, 1)
	go func() {
		ended <- open(ctx, driver, order{URL: s.origins.Replace(t.url), Types: types(), Headers: headers, Close: t.close}, w)
	}()
	select {
	case <-w.opened:
	case err := <-ended:
		if err != nil {
			t.Fault = err
			return t.Result
		}
		ended = nil // the client was closed at once
	case <-time.After(openTime):
		t.Fault = noClient(openTime)
		return t.Result
	}
	ctx, stopWaiting := context.WithTimeout(ctx, limit)
	defer stopWaiting()
	t.Fault = t.await(ctx, s, w, ended)
	return t.Result
}

// await returns nil as soon as the client has done all that the case asks for, and then was silent. Otherwise it returns what is wrong at the
// end of the case.
func (t trial) await(ctx context.Context, s *stage, w *witness, ended <-chan error) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var right time.Time // since when nothing is wrong
	for {
		fault, final := t.check(s, w)
		switch {
		case errors.Is(fault, errAway) && (final || ctx.Err() != nil):
			return nil
		case fault != nil && (final || ctx.Err() != nil):
			return fault
		case fault != nil:
			right = time.Time{}
		case right.IsZero():
			right = time.Now()
		case time.Since(right) > t.silence(w.client):
			return nil
		}
		select {
		case <-ctx.Done():
			if fault == nil {
				return nil // it was right until the end, though not silent for long enough
			}
		case err := <-ended:
			if err != nil {
				return err
			}
			ended = nil // its client is closed, and must stay silent
		case <-tick.C:
		}
	}
}

// silence is how long nothing more may happen: beyond a reconnection if there must be none.
func (t trial) silence(c Client) time.Duration {
	switch {
	case t.Suite == Parser && t.resumes != nil, t.Suite == Bytewise:
		return 100 * time.Millisecond
	case t.outcome == ssetest.OutcomeOpen:
		return 300 * time.Millisecond
	}
	return c.settle()
}
