package tidings

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/tidings-sse/tidings/internal/wire"
	"github.com/tidings-sse/tidings/sse"
)

// Presence says who is present at a topic: the subjects whose streams asked to be seen (docs/presence.md).
type Presence struct {
	Topic    string
	Streams  int // open streams that asked to be seen, at the last message of the hub
	Subjects int // members

	// Settling says that members may be missing: the hub has just begun to serve, and they are coming back. A Presence without Settling follows,
	// 15 s after that begin, or when a hub of a cluster has the members of the others.
	Settling bool

	// Members are all members, in the order of their subjects. Nil: there are more than 100, and [Client.Roster] lists them.
	Members []Member

	// In are the members that have come since the Presence before, or have other data; Out are the subjects that have left.
	In  []Member
	Out []string
}

// Member is a subject that is present at a topic.
type Member struct {
	Subject string
	Data    json.RawMessage // from its token; nil: none
}

// PresenceOptions are the options of [Client.Presence]. Nil means: only watch.
type PresenceOptions struct {
	// Present makes the subject of the token a member of the topic, too, while the sequence runs. It limits delays: see [SubscribeOptions].
	Present bool

	// Subject and Data are for hubs without keys, which have no tokens: who becomes a member, and what others see of it.
	Subject string
	Data    json.RawMessage
}

// Presence yields who is present at a topic: first the state, then each change, at most once a second. Until ctx ends, it reconnects. While the
// members of a hub that was away come back, nobody seems to leave. The sequence can be used once; it ends like that of
// [Client.Subscribe].
func (c *Client) Presence(ctx context.Context, topic string, o *PresenceOptions) iter.Seq2[Presence, error] {
	return func(yield func(Presence, error) bool) {
		var s *Subscription
		options := &SubscribeOptions{
			Watch: []string{topic},
			OnGap: func(Gap) error { return nil }, // there are no events to miss; a hub with a new log says so all the same
			OnPresence: func(p Presence) {
				if !yield(p, nil) {
					s.Close()
				}
			},
		}
		if o != nil {
			options.Present, options.PresentSubject, options.PresentData = o.Present, o.Subject, o.Data
		}
		s = c.Open(ctx, nil, options)
		for _, err := range s.Events() { // there are no events
			if err != nil {
				yield(Presence{}, err)
			}
		}
	}
}

// longestAway is the longest delay before a member tries again. It is well below the 15 s for which a hub that was away waits for its members.
const longestAway = 10 * time.Second

// soon returns a backoff whose delays are at most longestAway, unless the server asks for more.
func soon(b sse.Backoff) sse.Backoff {
	if b.Jitter == 0 || math.IsNaN(b.Jitter) || b.Jitter > 1 {
		b.Jitter = 0.5 // also the default
	}
	longest := time.Duration(float64(longestAway) / (1 + max(b.Jitter, 0)))
	b.Base, b.Max = min(b.Base, longest), min(cmp.Or(max(b.Max, 0), longest), longest)
	return b
}

// recoverSoon is [sse.Resilient] for members. A hub that is not ready asks for up to 10 s, at random. More jitter would take too long.
func recoverSoon(f *sse.Failure) (time.Duration, bool) {
	delay, again := sse.Resilient(f)
	return min(delay, max(longestAway, f.Retry, f.RetryAfter)), again
}

// presence are the members of a topic, as a subscription knows them.
type presence struct {
	members map[string]json.RawMessage // by subject
	many    bool                       // the hub has stopped to name them
}

// merge takes the data of a presence event, and returns the state after it with the changes. Events may repeat what is known.
func (k *presence) merge(p *wire.Presence) Presence {
	made := Presence{Topic: p.Topic, Streams: p.Streams, Subjects: p.Subjects, Settling: p.Settling}
	out := p.Out
	if p.Members != nil && !p.Settling { // it replaces what is known
		for subject := range k.members {
			if !slices.ContainsFunc(p.Members, func(m wire.Member) bool { return m.Subject == subject }) {
				out = append(out, subject)
			}
		}
	}
	for _, m := range slices.Concat(p.Members, p.In) {
		if was, known := k.members[m.Subject]; !known || !bytes.Equal(was, m.Data) {
			k.members[m.Subject] = m.Data
			made.In = append(made.In, Member(m))
		}
	}
	for _, subject := range out {
		if _, known := k.members[subject]; known {
			delete(k.members, subject)
			made.Out = append(made.Out, subject)
		}
	}
	slices.Sort(made.Out)
	if k.many = p.Members == nil && p.In == nil; k.many {
		return made
	}
	made.Members = make([]Member, 0, len(k.members))
	for _, subject := range slices.Sorted(maps.Keys(k.members)) {
		made.Members = append(made.Members, Member{subject, k.members[subject]})
	}
	made.Subjects = max(made.Subjects, len(made.Members)) // while the hub is settling, it knows fewer
	return made
}

// see handles a presence event.
func (s *Subscription) see(data string) error {
	p, err := wire.ParsePresence(data)
	if err != nil {
		return err
	}
	if !slices.Contains(s.options.Watch, p.Topic) {
		return fmt.Errorf("the event says who is present at topic %.300q, which the subscription does not watch", p.Topic)
	}
	known := s.present[p.Topic]
	if known == nil {
		known = &presence{members: make(map[string]json.RawMessage)}
		if s.present == nil {
			s.present = make(map[string]*presence)
		}
		s.present[p.Topic] = known
	}
	state := known.merge(&p)
	if s.options.OnPresence != nil {
		s.options.OnPresence(state)
	}
	return nil
}

// presenceParams adds what a subscription asks about presence.
func presenceParams(params url.Values, o *SubscribeOptions) {
	if len(o.Watch) > 0 {
		params[wire.ParamWatch] = o.Watch
	}
	if o.Present {
		params.Set(wire.ParamPresent, "1")
	}
	if o.PresentSubject != "" {
		params.Set(wire.ParamSubject, o.PresentSubject)
	}
	if len(o.PresentData) > 0 {
		params.Set(wire.ParamPresentData, string(o.PresentData))
	}
}

// rosterPage is how many members a request asks for.
const rosterPage = 1000

// Roster yields the members of a topic, in the order of their subjects. It asks for pages as the loop needs them, so members that come or leave
// meanwhile may be missing or listed. It does not retry. The error, a [*Problem] if the hub has refused, is the last thing that it yields.
func (c *Client) Roster(ctx context.Context, topic string) iter.Seq2[Member, error] {
	return func(yield func(Member, error) bool) {
		params := url.Values{wire.ParamTopic: {topic}, wire.ParamLimit: {fmt.Sprint(rosterPage)}}
		for {
			members, next, err := c.roster(ctx, params)
			if err != nil {
				wrap(&err, "roster")
				yield(Member{}, err)
				return
			}
			for _, m := range members {
				if !yield(Member(m), nil) {
					return
				}
			}
			if next == "" {
				return
			}
			params.Set(wire.ParamAfter, next)
		}
	}
}

// roster requests a page.
func (c *Client) roster(ctx context.Context, params url.Values) (members []wire.Member, next string, err error) {
	u, err := c.endpoint(params)
	if err != nil {
		return nil, "", err
	}
	u = u.JoinPath("..", "api", "v1", "presence")
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, "", err
	}
	if err := c.prepare(req); err != nil {
		return nil, "", err
	}
	resp, err := c.client(u).Do(req)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, largestRoster))
	switch {
	case err != nil:
		return nil, "", err
	case resp.StatusCode != http.StatusOK:
		return nil, "", problemOf(resp.StatusCode, resp.Header, body)
	}
	var page struct {
		Members []wire.Member `json:"members"`
		Next    string        `json:"next"`
	}
	if err := json.Unmarshal(body, &page); err != nil {
		return nil, "", fmt.Errorf("%w: %w", ErrNoHub, err)
	}
	return page.Members, page.Next, nil
}

// largestRoster is more than a page of members has, each with up to 512 bytes and escapes.
const largestRoster = 8 << 20
