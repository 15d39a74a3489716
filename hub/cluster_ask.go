package hub

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/tidings-sse/tidings/internal/wire"
)

// With cluster=1, a request for statistics or streams is answered for all hubs: this hub asks the others, and names those that did not
// answer within 500 ms.

// HubStats are the statistics of one hub of a cluster.
type HubStats struct {
	Hub   string `json:"hub"`
	Stats *Stats `json:"stats"`
}

// clusterStats is the answer to /api/v1/stats?cluster=1.
type clusterStats struct {
	Hubs    []HubStats `json:"hubs"`
	Missing []string   `json:"missing"` // hubs that did not answer
}

// wantsCluster parses the parameter cluster.
func (h *Hub) wantsCluster(p *params) (bool, error) {
	all, err := p.flag(wire.ParamCluster)
	if err == nil && all && h.cluster == nil {
		err = NewProblem(http.StatusBadRequest, wire.ProblemInvalidRequest, "cluster=1 needs a cluster, and this hub is not part of one; omit it")
	}
	return all, err
}

// askAll sends a request to the other hubs, and calls take with each answer. It returns the names of the hubs without a valid answer.
func (h *Hub) askAll(ctx context.Context, target string, take func(hub string, body []byte) error) []string {
	missing := []string{}
	for _, answer := range h.cluster.client.Ask(ctx, h.cluster.hubs(ctx)[1:], target) {
		err := answer.Err
		if err == nil {
			err = take(answer.Hub.Name, answer.Body)
		}
		if err != nil {
			h.opts.Logger.Warn("another hub does not answer", "hub", answer.Hub.Name, "err", err.Error())
			missing = append(missing, answer.Hub.Name)
		}
	}
	return missing
}

// statsOfAll answers with the statistics of all hubs.
func (h *Hub) statsOfAll(w http.ResponseWriter, r *http.Request) error {
	own, err := h.Stats(r.Context())
	if err != nil {
		return err
	}
	all := clusterStats{Hubs: []HubStats{{h.cluster.opts.Name, own}}}
	all.Missing = h.askAll(r.Context(), "/api/v1/peer/stats", func(hub string, body []byte) error {
		var s Stats
		err := json.Unmarshal(body, &s)
		if err == nil {
			all.Hubs = append(all.Hubs, HubStats{hub, &s})
		}
		return err
	})
	slices.SortFunc(all.Hubs, func(a, b HubStats) int { return cmp.Compare(a.Hub, b.Hub) })
	return answerJSON(w, all)
}

// subscriberPage is a page of open streams.
type subscriberPage struct {
	Subscribers []Subscriber `json:"subscribers"`
	Next        string       `json:"next,omitempty"`    // the value of after for the next page
	Missing     []string     `json:"missing,omitempty"` // hubs that did not answer
}

// end sets Next if there may be more streams than limit. It keeps all streams that have the ID of the last one, because the next page
// begins after that ID.
func (p *subscriberPage) end(limit int) {
	if len(p.Subscribers) < limit {
		return
	}
	last := p.Subscribers[limit-1].ID
	for len(p.Subscribers) > limit && p.Subscribers[limit].ID == last {
		limit++
	}
	p.Subscribers, p.Next = p.Subscribers[:limit], last
}

// addOthers adds the streams of the other hubs, each with the name of its hub. query selects them.
func (h *Hub) addOthers(ctx context.Context, page *subscriberPage, query url.Values) {
	for i := range page.Subscribers {
		page.Subscribers[i].Hub = h.cluster.opts.Name
	}
	query.Del(wire.ParamCluster)
	page.Missing = h.askAll(ctx, "/api/v1/peer/subscribers?"+query.Encode(), func(hub string, body []byte) error {
		var other subscriberPage
		if err := json.Unmarshal(body, &other); err != nil {
			return err
		}
		for _, s := range other.Subscribers {
			s.Hub = hub
			page.Subscribers = append(page.Subscribers, s)
		}
		return nil
	})
	number := func(s *Subscriber) int64 {
		n, _ := strconv.ParseInt(s.ID, 10, 64) // made by a hub
		return n
	}
	slices.SortFunc(page.Subscribers, func(a, b Subscriber) int {
		return cmp.Or(cmp.Compare(number(&a), number(&b)), cmp.Compare(a.Hub, b.Hub))
	})
}
