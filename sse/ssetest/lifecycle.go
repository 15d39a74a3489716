package ssetest

import (
	"fmt"
	"iter"
	"net/http"
	"time"

	"github.com/tidings-sse/tidings/sse"
)

// LifecycleCase is what a server does, connection by connection, and what a client makes of it.
type LifecycleCase struct {
	Name    string
	Section string // of the WHATWG HTML Living Standard, such as "9.2.3"
	Says    string // what the section requires, in our words

	URL         string      // what the client is pointed at
	Header      http.Header // what the program adds to its requests
	Connections []Connection
	Close       *Closing    // when the program closes the client; nil when the case is over
	States      []sse.State // that the client goes through before it is closed for the end of the case
	Events      []sse.Event
	Outcome     Outcome
}

// Connection is a request that must come and how it is answered.
type Connection struct {
	URL    string             // of the request; "" means any
	Header map[string]*string // of the request; nil means that the field must be absent. Others may be anything

	// After is the time since the end of the connection before, or the client's own reconnection time if
	// AfterDefault is set. A client may wait longer (WHATWG HTML 9.2.3). Negative means that it does not matter.
	After        time.Duration
	AfterDefault bool

	Answer Answer
	Repeat bool // as many further requests as come get the same answer
}

// Closing says when the program closes the client: after a number of events, or when it enters a state for the nth time.
type Closing struct {
	Events int
	State  sse.State
	Times  int // which time that is, from 1; 0 if it is the events that count
}

// Outcome is how a case stands when nothing more can happen.
type Outcome string

// The outcomes. In all but the first two no further request comes, ever.
const (
	OutcomeOpen    Outcome = "open"    // the last connection is open, or was never answered
	OutcomeWaiting Outcome = "waiting" // the client waits for so long that the case does not
	OutcomeStopped Outcome = "stopped" // the server said 204; whether the client calls that an error is its affair
	OutcomeFailed  Outcome = "failed"  // the client has given up, with an error
	OutcomeClosed  Outcome = "closed"  // the program has closed the client
)

// Session is a client at work. [*sse.Source] is one.
type Session interface {
	// Events connects and yields events until the client is closed or gives up. It is called once.
	Events() iter.Seq2[sse.Event, error]
	// Close ends Events without an error. It is called from within the loop over Events and within calls of observe.
	Close()
}

// LifecycleClient is the client that [TestLifecycle] holds against the cases.
type LifecycleClient struct {
	// Open returns a session that sends req, by way of client, and calls observe with every state that it enters, in
	// order, before the next event is yielded.
	Open func(req *http.Request, client *http.Client, observe func(sse.State)) Session

	// ReconnectionTime is what the client waits before a reconnection when no server has asked for another time.
	ReconnectionTime time.Duration

	// Exact makes it a fault to wait for longer than the reconnection time, which the standard allows.
	Exact bool
}

// lifecycleFile is a case as cases/lifecycle.json has it.
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
	panic(fmt.Sprintf("ssetest: cases/lifecycle.json: there is no state %q", name))
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
	panic(fmt.Sprintf("ssetest: cases/lifecycle.json: there is no end %q", name))
}
