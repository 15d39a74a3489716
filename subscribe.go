package tidings

import (
	"cmp"
	"context"
	"encoding/json"
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

// Earliest, as [SubscribeOptions.Since], starts at the first event that the hub still has.
const Earliest = wire.SinceEarliest

// SubscribeOptions say where a subscription starts, and which functions get what is not an event. Nil means from now on. The ranging
// goroutine calls the functions, in order with the events.
type SubscribeOptions struct {
	// After is the position to resume from: the ID of the last event that was handled, or the result of
	// [Subscription.Position]. "" means none. A position of a log that the hub no longer has is a gap; Since or Last then say
	// where to start.
	After string

	// Since starts in the past: a duration before now by the hub's clock, such as "10m", a time as in RFC 3339, or [Earliest].
	// Last starts with the last events, counted over all topics together. "" and 0 mean from now on; only one of the two can
	// be set. Both never cause a gap.
	Since string
	Last  int

	// Exact has further topics, in which an asterisk has no meaning.
	Exact []string

	// OnGap is called when events are missing: the subscriber should load the current state. If it returns nil, the subscription continues
	// with the retained events; an error ends the sequence. Without OnGap a gap ends the sequence with a [*GapError].
	OnGap func(Gap) error

	// OnEnd is called when topics have ended.
	OnEnd func(End)

	// OnCheckpoint is called when the position has advanced without an event for this subscription. It keeps stored positions
	// recent while topics are quiet.
	OnCheckpoint func(position string)

	// OnOpen is called when the hub has answered, for each connection.
	OnOpen func()

	// OnExpiring is called shortly before the token expires and the stream ends. The next connection needs a new token: see
	// [Client.TokenFunc].
	OnExpiring func()

	// Watch are topics, without patterns, whose [Presence] OnPresence gets. A subscription without topics that watches some has no events. One with
	// topics ends when all of them have ended, and with it what it watches and where it is present; [Client.Presence] does not end then.
	// Present makes the subject of the token a member of the topics, or without topics of those in Watch. PresentSubject and PresentData
	// are for hubs without keys: see [PresenceOptions]. With Present no delay before a reconnection is longer than 10 s, whatever
	// [Client.Backoff] says, unless the hub asks for more: a hub that was away shows a member as gone after 15 s.
	Watch          []string
	OnPresence     func(Presence)
	Present        bool
	PresentSubject string
	PresentData    json.RawMessage

	// OnRaw is called with each event as it was received, control events included, before it is yielded or another function
	// is called.
	OnRaw func(sse.Event)

	// OnComment is called with the stream's comments, such as heartbeats. The text is valid during the call.
	OnComment func(text []byte)

	// Recover decides after each failure whether to reconnect, and after what delay; nil means [sse.Resilient].
	Recover func(*sse.Failure) (time.Duration, bool)

	// Heartbeat asks the hub to send a checkpoint after this much silence, so that OnCheckpoint shows that the connection lives. 0
	// means the hub's own heartbeats, 25 s apart by default, which show only to IdleTimeout. The hub refuses an interval below its bound,
	// 5 s by default; and its own interval counts if that is shorter.
	Heartbeat time.Duration

	// IdleTimeout is the longest silence before a connection counts as broken. It must be longer than the interval of the hub's
	// heartbeats. 0 means 90 s, or three times Heartbeat if that is shorter, but at least 10 s. Negative means no limit.
	IdleTimeout time.Duration

	// MaxEvent is the size of the largest event, in bytes of its envelope; a larger one ends the sequence. 0 means 128 MiB, which
	// no event of a hub exceeds. Negative means no limit. Memory grows only with the events.
	MaxEvent int
}

// largestEnvelope is more than the envelope of any event. A hub takes up to 16 MiB, of which JSON makes up to six times as much when all of
// it is escaped, and a thousand topics of 1 KiB, which an envelope has with the same escapes.
const largestEnvelope = 128 << 20

// Gap says that events are missing.
type Gap struct {
	Reason string // "trimmed", "reset", "rollback", "corrupt" or "lag"
	From   string // the position after which events are missing
	To     string // the position up to which they are missing; the retained events follow
}

// ErrGap is the kind of a [*GapError], for errors.Is.
var ErrGap = errors.New("events are missing")

// GapError is the error of a gap in a subscription without OnGap.
type GapError struct{ Gap Gap }

func (e *GapError) Error() string {
	return fmt.Sprintf("events between %s and %s are missing (%s); load the current state, or set OnGap to continue",
		e.Gap.From, e.Gap.To, e.Gap.Reason)
}

// Is reports whether target is [ErrGap].
func (e *GapError) Is(target error) bool { return target == ErrGap }

// End says that topics have ended: nothing more will be published to them.
type End struct {
	ID     string   // the position of the end
	Topic  string   // the canonical topic
	Topics []string // all topics that ended together, Topic first
}

// Subscribe yields the events of topics. A topic may be a pattern: * stands for one segment between slashes, ** at the end for any number. No
// topics at all means everything that the token grants. Until ctx ends, Subscribe reconnects and resumes behind its last event. The sequence
// can be used once. It ends
//   - when the loop breaks;
//   - when all topics have ended, without an error;
//   - when ctx is done, at once, with its error;
//   - at a gap, without OnGap or if OnGap returns an error;
//   - when the hub refuses for good, with an error that is a [*Problem] and a [*sse.ResponseError];
//   - when the server is not a hub, or an event is too large.
//
// The error is the last thing that it yields.
func (c *Client) Subscribe(ctx context.Context, topics []string, o *SubscribeOptions) iter.Seq2[Event, error] {
	return c.Open(ctx, topics, o).Events()
}

// Open is [Client.Subscribe] for programs that need the position, or that close the subscription from another goroutine. It sends nothing
// before the range over [Subscription.Events]. A Subscription that is not ranged over must be closed.
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
	backoff, policy := c.Backoff, s.options.Recover
	if s.options.Present {
		backoff = soon(backoff)
		if policy == nil {
			policy = recoverSoon
		}
	}
	s.source = (&sse.Client{
		HTTP: unzipping(c.client(req.URL)), Backoff: backoff, IdleTimeout: max(idle, 0), MaxEvent: s.options.MaxEvent,
		Observe: s.observe, Comment: s.options.OnComment, Recover: policy,
		Repeat: true, // a QUERY changes nothing
	}).Open(req)
	return s
}

// Subscription is a subscription to topics of a hub. Its methods are safe for concurrent use.
type Subscription struct {
	client  *Client
	ctx     context.Context
	options SubscribeOptions
	source  *sse.Source // nil if the options are invalid
	refused error       // why the options are invalid

	// The ranging goroutine owns the following.
	unended  map[string]bool // the topics that have not ended
	present  map[string]*presence
	endless  bool     // there are patterns, which never end
	away     *Problem // the hub has asked to reconnect later
	reported bool     // the lost connection was reported
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

// Position returns the position to resume from, for [SubscribeOptions.After]: that of the last event or checkpoint, at first After itself. It
// includes the event that the loop is handling.
func (s *Subscription) Position() string {
	if s.source == nil {
		return s.options.After
	}
	return s.source.LastEventID()
}

// Close ends the sequence at once, without an error. It can be called at any time and more than once.
func (s *Subscription) Close() {
	if s.source != nil {
		s.source.Close()
	}
}

// run yields the events. It returns the error to yield last, or nil after the loop broke: then nothing more may be yielded.
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
				return nil // the hub would say so only after a reconnection
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

// subscription returns the request of a subscription: a GET, or a QUERY if the URL would be too long.
func (c *Client) subscription(ctx context.Context, topics []string, o *SubscribeOptions) (*http.Request, error) {
	if !visible(o.After) {
		return nil, fmt.Errorf("the position %.100q is not a position of a hub", o.After)
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
	presenceParams(params, o)
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

// observe is called at each change of state, before the next event is yielded.
func (s *Subscription) observe(state sse.State, f *sse.Failure) {
	switch {
	case state == sse.Open:
		s.away, s.reported = nil, false
		if s.options.OnOpen != nil {
			s.options.OnOpen()
		}
	case state == sse.Connecting && f != nil:
		err := plainly(f.Err)
		if s.away != nil {
			err = s.away
		}
		ended := errors.Is(err, sse.ErrEnded) // a clean end is no failure
		s.client.retrying(s.ctx, !s.reported && !ended, err, f.Delay)
		s.reported = s.reported || !ended
	}
}

// plainly turns the refusal of a stream into an error in which errors.As finds the [*Problem] and the [*sse.ResponseError].
func plainly(err error) error {
	refusal, ok := errors.AsType[*sse.ResponseError](err)
	if !ok || refusal.StatusCode == http.StatusOK {
		return err
	}
	return &refused{problemOf(refusal.StatusCode, refusal.Header, refusal.Body), refusal}
}
