package hub

import (
	"cmp"
	"context"
	"fmt"
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
	ctx, cancel := context.WithTimeout(r.Context(), statsTimeout)
	defer cancel()
	answer := struct {
		Subscribers []Subscriber `json:"subscribers"`
		Next        string       `json:"next,omitempty"` // the value of after with which the list goes on
	}{Subscribers: []Subscriber{}}
	for _, info := range h.fanout.List(ctx, filter.match, after, limit) {
		answer.Subscribers = append(answer.Subscribers, describe(&info))
	}
	if n := len(answer.Subscribers); n == limit {
		answer.Next = answer.Subscribers[n-1].ID
	}
	return answerJSON(w, answer)
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
