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

// Subscriber describes an open stream to administrators.
type Subscriber struct {
	Hub     string    `json:"hub,omitempty"` // the hub that has it, in a list of all hubs of a cluster
	ID      string    `json:"id"`
	Since   time.Time `json:"since"`
	Subject string    `json:"subject,omitempty"` // of its token
	Token   string    `json:"token,omitempty"`   // jti
	Address string    `json:"address,omitempty"`
	Topics  []string  `json:"topics"`         // the first topics and patterns
	More    int       `json:"more,omitempty"` // topics and patterns that are not listed
	Kind    string    `json:"kind"`
	Form    string    `json:"form"`
	Stage   string    `json:"stage"`
	Lag     uint64    `json:"lag"`   // events of the log that the stream has not passed yet, an estimate
	Bytes   int64     `json:"bytes"` // sent to the client after the header
}

const (
	subscribersPage = 100
	subscribersMost = 1000
	subscriberNames = 20 // topics and patterns that are listed for each stream
)

// serveSubscribers lists the open streams that a filter selects, oldest first, in pages; or closes them, for the method DELETE.
func serveSubscribers(h *Hub, w http.ResponseWriter, r *http.Request, _ string) error {
	if r.Method == http.MethodDelete {
		return serveCloseSubscribers(h, w, r)
	}
	p, err := parseParams(h, r.URL.RawQuery)
	if err != nil {
		return err
	}
	text, _, err := p.one(wire.ParamAfter)
	if err != nil {
		return err
	}
	after, err := strconv.ParseInt(cmp.Or(text, "0"), 10, 64)
	if err != nil {
		return NewProblem(http.StatusBadRequest, wire.ProblemInvalidRequest, "after=%.40s is invalid; it must be the value of next on the previous page", text)
	}
	limit, err := p.number(wire.ParamLimit, subscribersPage, 1, subscribersMost)
	if err != nil {
		return err
	}
	filter, err := filterOf(p)
	if err != nil {
		return err
	}
	all, err := h.wantsCluster(p)
	if err != nil {
		return err
	}
	if err := p.done(); err != nil {
		return err
	}
	page := subscriberPage{Subscribers: h.subscribers(r.Context(), filter.match, after, limit)}
	if all {
		h.addOthers(r.Context(), &page, r.URL.Query())
	}
	page.end(limit)
	return answerJSON(w, page)
}

// Subscribers returns all open streams, oldest first. Streams of shards that do not answer before ctx ends, or within 5 seconds, are
// missing. Before [Hub.Open] it returns an error.
func (h *Hub) Subscribers(ctx context.Context) ([]Subscriber, error) {
	if !h.opened.Load() {
		return nil, h.unopened()
	}
	return h.subscribers(ctx, func(*fanout.Info) bool { return true }, 0, math.MaxInt), nil
}

// subscribers returns up to limit streams that match and have IDs greater than after, oldest first.
func (h *Hub) subscribers(ctx context.Context, match func(*fanout.Info) bool, after int64, limit int) []Subscriber {
	ctx, cancel := context.WithTimeout(ctx, statsTimeout)
	defer cancel()
	all := []Subscriber{}
	for _, info := range h.fanout.List(ctx, match, after, limit) {
		all = append(all, describe(&info))
	}
	return all
}

// clientOf returns the client of a stream.
func clientOf(i *fanout.Info) *client { return i.Client.(*client) }

func describe(i *fanout.Info) Subscriber {
	c := clientOf(i)
	d := Subscriber{
		ID: strconv.FormatInt(i.ID, 10), Since: i.Opened(), Subject: c.grant.Subject, Token: c.grant.ID, Address: c.from.String(),
		Kind: kindName(i.Direct), Form: i.Encoding.Key(), Stage: i.Stage, Lag: i.Lag, Bytes: i.Bytes,
	}
	names, matchers := i.Selector.Names(), i.Selector.Matchers()
	d.Topics = append(d.Topics, names[:min(len(names), subscriberNames)]...)
	for _, m := range matchers[:min(len(matchers), subscriberNames-len(d.Topics))] {
		d.Topics = append(d.Topics, fmt.Sprint(m))
	}
	d.More = len(names) + len(matchers) - len(d.Topics)
	return d
}
