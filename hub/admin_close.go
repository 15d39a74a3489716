package hub

import (
	"context"
	"net/http"
	"strconv"

	"github.com/tidings-sse/tidings/hub/internal/fanout"
	"github.com/tidings-sse/tidings/internal/wire"
)

// An administrator can close streams. The client of a closed stream gets a jittered reconnection time and may reconnect; to keep it out,
// the administrator revokes its token.

// serveCloseSubscriber closes the stream whose ID is in the path.
func serveCloseSubscriber(h *Hub, w http.ResponseWriter, r *http.Request, id string) error {
	if err := noParams(h, r); err != nil {
		return err
	}
	n := 0
	if opened, err := strconv.ParseInt(id, 10, 64); err == nil {
		n = h.closeStreams(r.Context(), func(i *fanout.Info) bool { return i.ID == opened })
	}
	if n == 0 {
		return NewProblem(http.StatusNotFound, wire.ProblemNotFound, "no open stream has the ID %.40q; GET /api/v1/subscribers lists the IDs", id)
	}
	return h.answerClosed(w, n)
}

// serveCloseSubscribers closes the streams that a filter selects. A request without a filter must have all=1 to close all streams.
func serveCloseSubscribers(h *Hub, w http.ResponseWriter, r *http.Request) error {
	p, err := parseParams(h, r.URL.RawQuery)
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
		return NewProblem(http.StatusBadRequest, wire.ProblemInvalidRequest,
			"select the streams to close by subject, token, address, topic or lag, or close all with all=1; do not use both")
	}
	return h.answerClosed(w, h.closeStreams(r.Context(), filter.match))
}

func (h *Hub) answerClosed(w http.ResponseWriter, n int) error {
	h.opts.Logger.Info("an administrator closed streams", "count", n)
	return answerJSON(w, struct {
		Closed int `json:"closed"`
	}{n})
}

// closeStreams ends the streams that match and returns their number. Streams of a shard that does not answer in time are closed later and
// are not counted.
func (h *Hub) closeStreams(ctx context.Context, match func(*fanout.Info) bool) int {
	ctx, cancel := context.WithTimeout(ctx, statsTimeout)
	defer cancel()
	return h.fanout.Dismiss(ctx, match)
}
