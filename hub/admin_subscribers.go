package hub

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/tidings-sse/tidings/hub/internal/fanout"
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
	answer := struct {
		Subscribers []Subscriber `json:"subscribers"`
		Next        string       `json:"next,omitempty"` // the value of after with which the list goes on
	}{Subscribers: h.subscribers(r.Context(), filter.match, after, limit)}
	if n := len(answer.Subscribers); n == limit {
		answer.Next = answer.Subscribers[n-1].ID
	}
	return answerJSON(w, answer)
}

// Subscribers returns all open streams, the oldest first. Streams of shards that do not answer until ctx ends, or within 5 seconds, are
// missing. Before [Hub.Open] there are none, which is an error.
func (h *Hub) Subscribers(ctx context.Context) ([]Subscriber, error) {
	if !h.opened.Load() {
		return nil, h.unopened()
	}
	return h.subscribers(ctx, func(*fanout.Info) bool { return true }, 0, math.MaxInt), nil
}

// subscribers returns the streams that match and whose IDs are above after, at most limit of them, the oldest first.
func (h *Hub) subscribers(ctx context.Context, match func(*fanout.Info) bool, after int64, limit int) []Subscriber {
	ctx, cancel := context.WithTimeout(ctx, statsTimeout)
	defer cancel()
	all := []Subscriber{}
	for _, info := range h.fanout.List(ctx, match, after, limit) {
		all = append(all, describe(&info))
	}
	return all
}

// clientOf returns who has a stream.
func clientOf(i *fanout.Info) *client { return i.Client.(*client) }

func describe(i *fanout.Info) Subscriber {
	c := clientOf(i)
	d := Subscriber{
		ID: strconv.FormatInt(i.ID, 10), Since: i.Opened(), Subject: c.grant.Subject, Token: c.grant.ID, Address: c.from.String(),
		Kind: kindName(i.Direct), Form: i.Encoding.Key(), Stage: i.Stage, Lag: i.Lag,
	}
	names, matchers := i.Selector.Names(), i.Selector.Matchers()
	d.Topics = append(d.Topics, names[:min(len(names), subscriberNames)]...)
	for _, m := range matchers[:min(len(matchers), subscriberNames-len(d.Topics))] {
		d.Topics = append(d.Topics, fmt.Sprint(m))
	}
	d.More = len(names) + len(matchers) - len(d.Topics)
	return d
}
