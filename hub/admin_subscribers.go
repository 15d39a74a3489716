package hub

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/tidings-sse/tidings/internal/wire"
)

// Subscriber is a stream, as an administrator sees it.
type Subscriber struct {
	ID      string    `json:"id"`
	Since   time.Time `json:"since"`
	Subject string    `json:"subject,omitempty"` // of its token
	Token   string    `json:"token,omitempty"`   // jti
	Address string    `json:"address,omitempty"`
	Topics  []string  `json:"topics"`         // and patterns, the first of them
	More    int       `json:"more,omitempty"` // topics that are not listed
	Kind    string    `json:"kind"`
	Form    string    `json:"form"`
	Stage   string    `json:"stage"`
	Lag     uint64    `json:"lag"` // events of the log by which it is behind, as far as it is known
}

const (
	subscribersPage = 100
	subscribersMost = 1000
	subscriberNames = 20 // topics of each that are listed
)

// serveSubscribers lists the open streams that a filter selects, the oldest first, a page at a time, or closes them.
func serveSubscribers(h *Hub, w http.ResponseWriter, r *http.Request, _ string) error {
	if r.Method == http.MethodDelete {
		return serveCloseSubscribers(h, w, r)
	}
	p, err := h.parseParams(r.URL.RawQuery)
	if err != nil {
		return err
	}
	text, _, err := p.one(wire.ParamAfter)
	if err != nil {
		return err
	}
	after, err := strconv.ParseInt(cmp.Or(text, "0"), 10, 64)
	if err != nil {
		return problem(http.StatusBadRequest, problemInvalidRequest, "after=%.40s makes no sense; it is what next was on the page before", text)
	}
	limit, err := p.number(wire.ParamLimit, subscribersPage, 1, subscribersMost)
	if err != nil {
		return err
	}
	filter, err := filterOf(p)
	if err != nil {
		return err
	}
	if err := p.done(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), statsTimeout)
	defer cancel()
	answer := struct {
		Subscribers []Subscriber `json:"subscribers"`
		Next        string       `json:"next,omitempty"` // the value of after with which the list goes on
	}{Subscribers: []Subscriber{}}
	all := slices.Concat(ask(ctx, h.shards, func(s *shard) []listed { return s.list(filter, after, limit) })...)
	for _, one := range firstListed(all, limit) {
		answer.Subscribers = append(answer.Subscribers, one.Subscriber)
	}
	if n := len(answer.Subscribers); n == limit {
		answer.Next = answer.Subscribers[n-1].ID
	}
	return answerJSON(w, answer)
}

// listed is a subscriber in a list.
type listed struct {
	opened int64
	sub    *subscriber // only its shard may look at it
	Subscriber
}

// firstListed returns the oldest ones.
func firstListed(all []listed, limit int) []listed {
	slices.SortFunc(all, func(a, b listed) int { return cmp.Compare(a.opened, b.opened) })
	return all[:min(len(all), limit)]
}

// list returns the oldest subscribers of a shard that match a filter and were opened after another one.
func (s *shard) list(f filter, after int64, limit int) []listed {
	var all []listed
	s.each(func(sub *subscriber) {
		if sub.opened > after && f.match(sub) {
			all = append(all, listed{opened: sub.opened, sub: sub})
		}
	})
	all = firstListed(all, limit)
	for i := range all {
		all[i].Subscriber = s.describe(all[i].sub)
		all[i].sub = nil
	}
	return all
}

func (s *shard) describe(sub *subscriber) Subscriber {
	d := Subscriber{
		ID: strconv.FormatInt(sub.opened, 10), Since: time.UnixMicro(sub.opened).UTC(), Subject: sub.grant.Subject, Token: sub.grant.ID,
		Address: sub.from.String(), Kind: kindNames[0], Form: formNames[sub.group.form], Stage: sub.stage.String(), Lag: s.lag(sub),
	}
	if sub.runner != nil {
		d.Kind = kindNames[1]
	}
	d.Topics = append(d.Topics, sub.group.names[:min(len(sub.group.names), subscriberNames)]...)
	for _, p := range sub.group.patterns[:min(len(sub.group.patterns), subscriberNames-len(d.Topics))] {
		d.Topics = append(d.Topics, p.String())
	}
	d.More = len(sub.group.names) + len(sub.group.patterns) - len(d.Topics)
	return d
}
