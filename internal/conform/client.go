package conform

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidings-sse/tidings/sse"
	"github.com/tidings-sse/tidings/sse/ssetest"
)

// Options are the settings of a run. The zero value means the defaults.
type Options struct {
	Parallel int           // how many cases run at the same time. 0: 64
	Patience time.Duration // how long a case may take beyond the delays that it asks for. 0: 15 s
	Longest  time.Duration // cases that ask for a longer delay end before it. 0: 5 s
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
	LeftOut     bool   // the client cannot be asked to do this
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
	if o.Patience == 0 {
		o.Patience = 15 * time.Second
	}
	if o.Longest == 0 {
		o.Longest = 5 * time.Second
	}
	client, err := ask(ctx, url)
	if err != nil {
		return client, nil, err
	}
	trials := slices.Concat(parserTrials(o), lifecycleTrials(o))
	results := make([]Result, len(trials))
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
		})
	}
	wg.Wait()
	return client, results, ctx.Err()
}

var (
	hold    = ssetest.Stream(ssetest.Hold())
	stopNow = ssetest.Status(http.StatusNoContent)
)

// parserTrials are the cases of a parser, each twice. The whole stream ends, so that the client shows its last event ID when it reconnects; the
// stream in bytes stays open.
func parserTrials(o Options) (all []trial) {
	for _, c := range ssetest.ParserCases() {
		base := trial{
			Result: Result{Case: c.Name, Section: c.Section, Sentence: sentenceOf(parserRules, c.Name), Says: c.Says},
			url:    "http://a.example/stream", events: c.Want.Events, repeats: true, otherwise: stopNow,
		}
		whole := base
		whole.Suite = Parser
		whole.answers = []ssetest.Answer{ssetest.Stream(ssetest.Send(string(c.Stream)))}
		if c.RetryAtLeast == 0 && (!c.Want.Retried || c.Want.Retry <= o.Longest) && carried(c.Want.LastEventID) {
			whole.resumes = &c.Want.LastEventID
		}
		all = append(all, whole)
		if len(c.Stream) <= 1000 {
			bytes := base
			bytes.Suite = Bytewise
			bytes.answers = []ssetest.Answer{ssetest.Stream(ssetest.Trickle(string(c.Stream), 1, 0), ssetest.Hold())}
			all = append(all, bytes)
		}
	}
	return all
}

// types returns the types of all events in the cases. A client that dispatches a wrong type is seen if a case expects that type elsewhere.
var types = sync.OnceValue(func() []string {
	all := map[string]bool{"message": true}
	for _, c := range ssetest.ParserCases() {
		for _, e := range c.Want.Events {
			all[e.Type] = true
		}
	}
	for _, c := range ssetest.LifecycleCases() {
		for _, e := range c.Events {
			all[e.Type] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
})

// carried reports whether an HTTP header field can carry an ID as it is.
func carried(id string) bool {
	return id == strings.Trim(id, " \t") && !strings.ContainsFunc(id, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7F })
}

// lifecycleTrials are the cases of a client that sockets in real time can show.
func lifecycleTrials(o Options) (all []trial) {
	for _, c := range ssetest.LifecycleCases() {
		if c.Close != nil && c.Close.Times > 0 || elsewhere(c) {
			continue
		}
		t := trial{
			Result: Result{Suite: Lifecycle, Case: c.Name, Section: c.Section, Sentence: sentenceOf(lifecycleRules, c.Name), Says: c.Says},
			url:    c.URL, header: c.Header, events: c.Events, outcome: c.Outcome, otherwise: hold,
		}
		if c.Section == "9.2.4" {
			t.Suite = Resume
		}
		if c.Close != nil {
			t.close = c.Close.Events
		}
		for _, connection := range c.Connections {
			if connection.After > o.Longest {
				t.outcome, t.cut = ssetest.OutcomeWaiting, connection.After
				break
			}
			t.requests = append(t.requests, connection)
			t.answers = append(t.answers, connection.Answer)
			if connection.Repeat {
				t.repeats, t.otherwise = true, connection.Answer
			}
		}
		all = append(all, t)
	}
	return all
}

// elsewhere reports whether a case needs an origin that a stage does not have.
func elsewhere(c ssetest.LifecycleCase) bool {
	urls := []string{c.URL}
	for _, connection := range c.Connections {
		urls = append(urls, connection.URL, connection.Answer.Header.Get("Location"))
	}
	return slices.ContainsFunc(urls, func(url string) bool {
		return strings.HasPrefix(url, "https:") || strings.Contains(url, "sub.a.example") || strings.Contains(url, ".example:") || strings.Contains(url, "A.Example")
	})
}

// run runs a case and returns its result.
func (t trial) run(ctx context.Context, driver string, client Client, s *stage, o Options) Result {
	if len(t.header) > 0 && !client.Headers || client.ParserOnly && t.Suite != Parser && t.Suite != Bytewise {
		t.LeftOut = true
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
	select { // a browser takes its time to open a page
	case <-w.opened:
	case t.Fault = <-ended:
		return t.Result
	case <-time.After(time.Minute):
		t.Fault = errors.New("the driver opens no client within a minute")
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
			if err == nil {
				err = errors.New("the driver ends its answer")
			}
			return err
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
