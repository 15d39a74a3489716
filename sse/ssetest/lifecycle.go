package ssetest

import (
	"fmt"
	"iter"
	"net/http"
	"time"

	"github.com/tidings-sse/tidings/sse"
)

// LifecycleCase describes how a server responds, connection by connection, and how a client must react.
type LifecycleCase struct {
	Name    string
	Section string // section of the WHATWG HTML Living Standard, such as "9.2.3"
	Says    string // what the section requires, in our words

	URL         string      // the URL that the program gives to the client
	Header      http.Header // header fields that the program adds to the request
	Connections []Connection
	Close       *Closing    // when the program closes the client; nil means at the end of the case
	States      []sse.State // the client's states before the end of the case
	Events      []sse.Event
	Outcome     Outcome
}

// Connection is an expected request and the answer to it.
type Connection struct {
	URL    string             // the request's URL; "" accepts any
	Header map[string]*string // header fields that the request must have; nil means that the field must be absent

	// After is how long the client must wait after the end of the previous connection. If AfterDefault is set, it is the
	// client's own reconnection time. A client may wait longer (WHATWG HTML 9.2.3). Negative means any time.
	After        time.Duration
	AfterDefault bool

	Answer Answer
	Repeat bool // all further requests get the same answer
}

// Closing says when the program closes the client: after a number of events, or when it enters a state for the nth
// time.
type Closing struct {
	Events int
	State  sse.State
	Times  int // n, counted from 1; 0 if the number of events decides
}

// Outcome is the state of the client at the end of a case.
type Outcome string

// The outcomes. After all but the first two the client never sends another request.
const (
	OutcomeOpen    Outcome = "open"    // the last connection is open, or was never answered
	OutcomeWaiting Outcome = "waiting" // the client waits for a reconnection beyond the end of the case
	OutcomeStopped Outcome = "stopped" // the server answered 204; the client may report this as an error or not
	OutcomeFailed  Outcome = "failed"  // the client gave up with an error
	OutcomeClosed  Outcome = "closed"  // the program closed the client
)

// Session is a subscription of a client under test. [*sse.Source] implements it.
type Session interface {
	// Events connects and yields events until the client is closed or gives up. It is called once.
	Events() iter.Seq2[sse.Event, error]
	// Close ends Events without an error. It may be called inside the loop over Events and inside calls of observe.
	Close()
}

// LifecycleClient is the client that [TestLifecycle] tests.
type LifecycleClient struct {
	// Open returns a session that sends req with client. The session calls observe with each state that it enters, in
	// order, before it yields the next event.
	Open func(req *http.Request, client *http.Client, observe func(sse.State)) Session

	// ReconnectionTime is how long the client waits before a reconnection if no server sent a retry field.
	ReconnectionTime time.Duration

	// Exact forbids the client to wait longer than the reconnection time, which the standard allows.
	Exact bool
}

// lifecycleFile is a case in cases/lifecycle.json.
type lifecycleFile struct {
	Name, Section, Says string
	URL                 string
	Headers             map[string]string
	Connections         []connectionFile
	Close               *struct {
		Events int
		State  string
		Times  int
	}
	States  []string
	Events  []caseEvent
	Outcome Outcome
}

type connectionFile struct {
	Expect struct {
		URL     string
		Headers map[string]*string
		After   any
	}
	Status   int
	Headers  *[][2]string
	Location string
	Body     []string
	End      string
	Repeat   bool
}

func (f lifecycleFile) convert() LifecycleCase {
	c := LifecycleCase{
		Name: f.Name, Section: f.Section, Says: f.Says, URL: f.URL, Header: make(http.Header),
		Events: events(f.Events), Outcome: f.Outcome,
	}
	if c.URL == "" {
		c.URL = "http://a.example/stream"
	}
	for name, value := range f.Headers {
		c.Header.Set(name, value)
	}
	for _, connection := range f.Connections {
		c.Connections = append(c.Connections, connection.convert())
	}
	for _, name := range f.States {
		c.States = append(c.States, stateNamed(name))
	}
	if f.Close != nil {
		c.Close = &Closing{Events: f.Close.Events, Times: f.Close.Times}
		if f.Close.Times > 0 {
			c.Close.State = stateNamed(f.Close.State)
		}
	}
	return c
}

func (f connectionFile) convert() Connection {
	c := Connection{URL: f.Expect.URL, Header: f.Expect.Headers, After: -1, Repeat: f.Repeat}
	switch after := f.Expect.After.(type) {
	case nil:
	case string:
		c.AfterDefault = after == "default"
	case float64:
		c.After = time.Duration(after) * time.Millisecond
	}
	c.Answer = Status(f.Status)
	switch {
	case f.Status == 0:
	case f.Headers == nil:
		c.Answer = c.Answer.With("Content-Type", "text/event-stream")
	default:
		for _, field := range *f.Headers {
			name := http.CanonicalHeaderKey(field[0])
			c.Answer = c.Answer.With(name, append(c.Answer.Header[name], field[1])...)
		}
	}
	if f.Location != "" {
		c.Answer = c.Answer.With("Location", f.Location)
	}
	c.Answer.Steps = append(c.Answer.Steps, Send(f.Body...), endNamed(f.End))
	return c
}

func stateNamed(name string) sse.State {
	for _, s := range []sse.State{sse.Connecting, sse.Open, sse.Closed} {
		if s.String() == name {
			return s
		}
	}
	panic(fmt.Sprintf("ssetest: cases/lifecycle.json: unknown state %q", name))
}

func endNamed(name string) Step {
	switch name {
	case "close":
		return End()
	case "cut":
		return Cut()
	case "reset":
		return Reset()
	case "hold":
		return Hold()
	}
	panic(fmt.Sprintf("ssetest: cases/lifecycle.json: unknown end %q", name))
}
