package conform

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/tidings-sse/tidings/sse/ssetest"
)

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
