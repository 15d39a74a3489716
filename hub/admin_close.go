package hub

import (
	"context"
	"net/http"
	"strconv"

	"github.com/tidings-sse/tidings/hub/internal/fanout"
	"github.com/tidings-sse/tidings/internal/wire"
)

// An administrator closes streams. The client of a closed stream is told when to come back, at a jittered moment, and may come back: to keep
// it out, revoke its token.

// serveCloseSubscriber closes the stream whose ID stands in the path.
func serveCloseSubscriber(h *Hub, w http.ResponseWriter, r *http.Request, id string) error {
	if err := h.noParams(r); err != nil {
		return err
	}
	n := 0
	if opened, err := strconv.ParseInt(id, 10, 64); err == nil {
		n = h.closeStreams(r.Context(), func(i *fanout.Info) bool { return i.ID == opened })
	}
	if n == 0 {
		return problem(http.StatusNotFound, problemNotFound, "no open stream has the ID %.40q; IDs are in the list at /api/v1/subscribers", id)
	}
	return h.answerClosed(w, n)
}

// serveCloseSubscribers closes the streams that a filter selects. To close all of them, the request has to say so.
func serveCloseSubscribers(h *Hub, w http.ResponseWriter, r *http.Request) error {
	p, err := h.parseParams(r.URL.RawQuery)
	if err != nil {
		return err
	}
	filter, err := filterOf(p)
	if err != nil {
		return err
	}
	all, err := p.flag(wire.ParamAll)
	if err != nil {
		return err
	}
	if err := p.done(); err != nil {
		return err
	}
	if all == (len(filter) > 0) {
		return problem(http.StatusBadRequest, problemInvalidRequest,
			"say which streams to close, by subject, token, address, topic or lag, or all of them, by all=1, but not both")
	}
	return h.answerClosed(w, h.closeStreams(r.Context(), filter.match))
}

func (h *Hub) answerClosed(w http.ResponseWriter, n int) error {
	h.opts.Logger.Info("an administrator closed streams", "count", n)
	return answerJSON(w, struct {
		Closed int `json:"closed"`
	}{n})
}

// closeStreams ends the streams that match, and returns how many there were. A shard that does not answer in time closes its streams later,
// and they are not counted.
func (h *Hub) closeStreams(ctx context.Context, match func(*fanout.Info) bool) int {
	ctx, cancel := context.WithTimeout(ctx, statsTimeout)
	defer cancel()
	return h.fanout.Dismiss(ctx, match)
}
