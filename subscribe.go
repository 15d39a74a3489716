package tidings

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tidings-sse/tidings/internal/wire"
	"github.com/tidings-sse/tidings/sse"
)

// Earliest, as [SubscribeOptions.Since], is the first event that the hub still has.
const Earliest = wire.SinceEarliest

// SubscribeOptions say where a subscription begins and who hears of what is not an event. Nil means from now on. The
// functions are called by the goroutine that ranges, in order with the events.
type SubscribeOptions struct {
	// After is the position to go on from: the ID of the last event that was dealt with, or what [Subscription.Position]
	// returned. "" means that there is none. If it belongs to a log that the hub no longer has, that is a gap, and Since or
	// Last say where to begin instead.
	After string

	// Since begins in the past: a duration before now by the hub's clock, such as "10m", a time as of RFC 3339, or
	// [Earliest]. Last begins with as many events before now, of all topics together. "" and 0 mean from now on; only one
	// of the two can be set. What the hub no longer has of the past that they ask for is no gap.
	Since string
	Last  int

	// Exact are further topics, in which an asterisk is an asterisk.
	Exact []string

	// OnGap hears that events are gone that should come next: the time to load the state anew. Nil returned goes on with what
	// there is; an error ends the sequence with it. Without OnGap a gap ends the sequence with a [*GapError].
	OnGap func(Gap) error

	// OnEnd hears that topics are complete.
	OnEnd func(End)

	// OnCheckpoint hears that the position has advanced although no event was for this subscription. Positions kept for
	// later stay fresh by it when topics are quiet.
	OnCheckpoint func(position string)

	// OnOpen hears that the hub has answered, after each connection.
	OnOpen func()

	// OnExpiring hears that the token ends soon, and the stream with it. The next connection needs another one:
	// see [Client.TokenFunc].
	OnExpiring func()

	// OnRaw hears each event as it came, control events too, before it is yielded or its own function is called.
	OnRaw func(sse.Event)

	// OnComment hears the stream's comments, such as heartbeats. The text is valid during the call.
	OnComment func(text []byte)

	// Recover decides after each failure whether to connect again, and after how long; nil means [sse.Resilient].
	Recover func(*sse.Failure) (time.Duration, bool)

	// Heartbeat asks the hub to send a checkpoint after this much silence, so that OnCheckpoint shows that the connection lives. 0
	// means the hub's own heartbeats, 25 s apart by default, which show only to IdleTimeout. The hub refuses an interval below its bound,
	// 5 s by default; and its own interval counts if that is shorter.
	Heartbeat time.Duration

	// IdleTimeout is the longest silence before a connection counts as broken. It must be longer than the pause between the
	// hub's heartbeats. 0 means 90 s, or three times Heartbeat if that is shorter, but at least 10 s; negative for ever.
	IdleTimeout time.Duration

	// MaxEvent is the size of the largest event that is accepted, in bytes of its envelope; a larger one ends the sequence.
	// 0 means 128 MiB, which no event of a hub exceeds; negative no bound. Memory is taken only as events need it.
	MaxEvent int
}

// largestEnvelope is more than the envelope of any event. A hub takes up to 16 MiB, of which JSON makes up to six times as much when all of
// it is escaped, and a thousand topics of 1 KiB, which an envelope has with the same escapes.
const largestEnvelope = 128 << 20

// Gap is what the hub says of events that are gone.
type Gap struct {
	Reason string // "trimmed", "reset", "rollback", "corrupt" or "lag"
	From   string // the position after which events are missing
	To     string // the position up to which they are missing; the retained events follow
}

// ErrGap is what errors.Is finds in a [*GapError].
var ErrGap = errors.New("events are gone")

// GapError ends a subscription that has nobody to tell of a gap.
type GapError struct{ Gap Gap }

func (e *GapError) Error() string {
	return fmt.Sprintf("events between %s and %s are gone (%s): load the state anew, and go on by way of OnGap",
		e.Gap.From, e.Gap.To, e.Gap.Reason)
}

// Is makes errors.Is(err, ErrGap) true.
func (e *GapError) Is(target error) bool { return target == ErrGap }

// End says that topics are complete: nothing will ever be published to them again.
type End struct {
	ID     string   // the position of the end
	Topic  string   // the canonical topic
	Topics []string // all topics that ended together, Topic first
}

// Subscribe yields the events of topics, which may be patterns: an asterisk stands for one segment between slashes, ** at the
// end for any number. No topics at all means everything that the token grants. It goes on after its last event when a
// connection breaks, for as long as ctx lasts. The sequence can be used once; it ends
//   - when the loop breaks, without another word;
//   - when all topics are complete, without an error;
//   - when ctx is done, at once, with its error;
//   - at a gap that nobody hears of, or whose hearer returns an error;
//   - when the hub refuses for good, with a [*Problem], beside the [*sse.ResponseError] that it came by;
//   - when the answer is not that of a hub, or the event too large.
//
// The error is the last thing it yields.
func (c *Client) Subscribe(ctx context.Context, topics []string, o *SubscribeOptions) iter.Seq2[Event, error] {
	return c.Open(ctx, topics, o).Events()
}

// Open is Subscribe for those who need the position, or close from elsewhere. Nothing is sent before the range over
// [Subscription.Events] begins. A Subscription that is not ranged over is to be closed.
func (c *Client) Open(ctx context.Context, topics []string, o *SubscribeOptions) *Subscription {
	s := &Subscription{client: c, ctx: ctx, unended: make(map[string]bool)}
	if o != nil {
		s.options = *o
	}
	for _, t := range topics {
		if strings.Contains(t, "*") {
			s.endless = true
		}
		s.unended[t] = true
	}
	for _, t := range s.options.Exact {
		s.unended[t] = true
	}
	s.endless = s.endless || len(s.unended) == 0
	req, err := c.subscription(ctx, topics, &s.options)
	if err != nil {
		s.refused = err
		return s
	}
	idle := s.options.IdleTimeout
	if idle == 0 {
		if idle = 90 * time.Second; s.options.Heartbeat > 0 {
			idle = max(min(idle, 3*s.options.Heartbeat), 10*time.Second)
		}
	}
	s.options.MaxEvent = cmp.Or(s.options.MaxEvent, largestEnvelope)
	s.source = (&sse.Client{
		HTTP: c.client(req.URL), Backoff: c.Backoff, IdleTimeout: max(idle, 0), MaxEvent: s.options.MaxEvent,
		Observe: s.observe, Comment: s.options.OnComment, Recover: s.options.Recover,
		Repeat: true, // a QUERY changes nothing
	}).Open(req)
	return s
}

// Subscription is what follows topics. Its methods are safe for concurrent use.
type Subscription struct {
	client  *Client
	ctx     context.Context
	options SubscribeOptions
	source  *sse.Source // nil if it could not be made
	refused error       // why it could not

	// The rest belongs to the ranging goroutine.
	unended map[string]bool // the topics that may have more to come
	endless bool            // there are patterns: topics without end
	away    *Problem        // the hub has asked to come back later
	told    bool            // that there is no connection
}

// Events connects and yields the events, as [Client.Subscribe] says. It can be ranged over once.
func (s *Subscription) Events() iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		if err := s.run(yield); err != nil {
			wrap(&err, "subscribe")
			yield(Event{}, err)
		}
	}
}

// Position returns where to go on from, as [SubscribeOptions.After]: behind the event that was yielded last, or the latest
// checkpoint; at first what After was. It includes the event that the loop is dealing with.
func (s *Subscription) Position() string {
	if s.source == nil {
		return s.options.After
	}
	return s.source.LastEventID()
}

// Close ends the sequence, without an error and at once. It can be called at any time, and more than once.
func (s *Subscription) Close() {
	if s.source != nil {
		s.source.Close()
	}
}

// run yields the events. It returns the error to yield last; nothing may be yielded after the loop broke, and then there is
// none.
func (s *Subscription) run(yield func(Event, error) bool) error {
	if s.refused != nil {
		return s.refused
	}
	for raw, err := range s.source.Events() {
		if err != nil {
			return plainly(err)
		}
		if wire.IsControl(raw.Type) {
			s.raw(raw)
			if err := s.control(raw); err != nil {
				return err
			}
			if !s.endless && len(s.unended) == 0 {
				return nil // the hub would say so, too, but not before a reconnection
			}
			continue
		}
		e, err := parseEnvelope(raw)
		if err != nil {
			return err
		}
		s.raw(raw)
		if !yield(e, nil) {
			return nil
		}
	}
	return nil
}

func (s *Subscription) raw(e sse.Event) {
	if s.options.OnRaw != nil {
		s.options.OnRaw(e)
	}
}

// subscription returns the request of a subscription: a GET if its URL is one that nobody on the way refuses, else a QUERY.
func (c *Client) subscription(ctx context.Context, topics []string, o *SubscribeOptions) (*http.Request, error) {
	if !visible(o.After) {
		return nil, fmt.Errorf("the position %.100q is not one that a hub gave", o.After)
	}
	params := url.Values{wire.ParamFormat: {wire.FormatEnvelope}}
	if len(topics) > 0 {
		params[wire.ParamTopic] = topics
	}
	if len(o.Exact) > 0 {
		params[wire.ParamExact] = o.Exact
	}
	if o.Since != "" {
		params.Set(wire.ParamSince, o.Since)
	}
	if o.Last != 0 {
		params.Set(wire.ParamLast, strconv.Itoa(o.Last))
	}
	if o.Heartbeat != 0 {
		params.Set(wire.ParamHeartbeat, o.Heartbeat.String())
	}
	u, err := c.endpoint(params)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if len(u.String()) > longestURL {
		u.RawQuery = ""
		req, err = http.NewRequestWithContext(ctx, "QUERY", u.String(), strings.NewReader(params.Encode()))
		if err == nil {
			req.Header.Set("Content-Type", wire.MediaForm)
		}
	}
	if err != nil {
		return nil, err
	}
	err = c.prepare(req)
	if o.After != "" {
		req.Header.Set(wire.HeaderLastEventID, o.After)
	}
	return req, err
}

// observe hears of each change of state before the next event is yielded.
func (s *Subscription) observe(state sse.State, f *sse.Failure) {
	switch {
	case state == sse.Open:
		s.away, s.told = nil, false
		if s.options.OnOpen != nil {
			s.options.OnOpen()
		}
	case state == sse.Connecting && f != nil:
		err := plainly(f.Err)
		if s.away != nil {
			err = s.away
		}
		ended := errors.Is(err, sse.ErrEnded) // which is how streams come to an end, and no trouble
		s.client.retrying(s.ctx, !s.told && !ended, err, f.Delay)
		s.told = s.told || !ended
	}
}

// plainly returns what a hub that gave no stream has said instead. errors.As finds the [*Problem], and the [*sse.ResponseError].
func plainly(err error) error {
	refusal, ok := errors.AsType[*sse.ResponseError](err)
	if !ok || refusal.StatusCode == http.StatusOK {
		return err
	}
	return &refused{problemOf(refusal.StatusCode, refusal.Header, refusal.Body), refusal}
}
