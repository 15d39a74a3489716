package hub

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/internal/wire"
)

// subscription is a parsed request for a stream.
type subscription struct {
	wanted
	attending
	start     Start
	encoding  *nativeEncoding
	poll      bool
	limit     int // of a poll; 0: none
	failOnGap bool
	heartbeat time.Duration
}

// parseSubscription parses a request for a stream.
func parseSubscription(h *Hub, r *http.Request, p *params, path string) (s subscription, err error) {
	if s.wanted, err = topicsOf(p, path, h.Options().MaxTopics); err != nil {
		return s, err
	}
	if s.start, err = startOf(p, r.Header, time.Now()); err != nil {
		return s, err
	}
	if s.poll, err = p.flag(wire.ParamPoll); err != nil {
		return s, err
	}
	if s.limit, err = parseBounds(p, &s.start, s.poll); err != nil {
		return s, err
	}
	if s.attending, err = parseAttending(p, &s.wanted, s.poll, h.Options().MaxTopics); err != nil {
		return s, err
	}
	format, _, err := p.one("format")
	if err != nil {
		return s, err
	}
	if s.encoding, err = negotiate(r.Header); err != nil {
		return s, err
	}
	if s.encoding == plainEncoding && format == "envelope" {
		s.encoding = envelopeEncoding
	}
	if format != "" && format != "envelope" && format != "plain" {
		return s, NewProblem(http.StatusBadRequest, wire.ProblemInvalidRequest, "format=%.40s is invalid; it must be plain or envelope", format)
	}
	onGap, _, err := p.one("on_gap")
	if err != nil {
		return s, err
	}
	if s.failOnGap = onGap == "fail"; onGap != "" && onGap != "fail" && onGap != "tell" {
		return s, NewProblem(http.StatusBadRequest, wire.ProblemInvalidRequest, "on_gap=%.40s is invalid; it must be tell or fail", onGap)
	}
	if s.heartbeat, err = parseHeartbeat(p, h.Options()); err != nil {
		return s, err
	}
	return s, p.done()
}

// parseBounds parses the parameters that end a poll before the newest event: limit and before.
func parseBounds(p *params, start *Start, poll bool) (limit int, err error) {
	limit, err = p.number(wire.ParamLimit, 0, 1, eventlog.MaxLast)
	if err != nil {
		return 0, err
	}
	text, ok, err := p.one(wire.ParamBefore)
	if err != nil {
		return 0, err
	}
	if ok {
		if start.Before, err = eventlog.ParsePosition(text); err != nil || start.Before.Seq == 0 {
			return 0, NewProblem(http.StatusBadRequest, wire.ProblemInvalidRequest, "before=%.60s is invalid; it must be the id of an event, such as k3f9a-10482", text)
		}
	}
	if (limit > 0 || ok) && !poll {
		return 0, NewProblem(http.StatusBadRequest, wire.ProblemInvalidRequest, "limit and before are for polls; add poll=1")
	}
	return limit, nil
}

// parseHeartbeat parses the interval at which a subscriber wants checkpoints as heartbeats. The interval of the hub is the longest, so that
// connections are never silent for longer than [Options.Heartbeat].
func parseHeartbeat(p *params, o Options) (time.Duration, error) {
	text, ok, err := p.one("heartbeat")
	if err != nil || !ok {
		return 0, err
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < o.HeartbeatMin {
		return 0, NewProblem(http.StatusBadRequest, wire.ProblemInvalidRequest,
			"heartbeat=%.40s is invalid; it must be a duration such as 15s, and at least %v", text, o.HeartbeatMin)
	}
	return min(d, o.Heartbeat), nil
}

// grant checks a subscription against a grant. A subscription without topics gets all topics of the grant, or no events if it watches any.
func (s *subscription) grant(r *http.Request, g access.Grant) error {
	if err := s.grantWatch(r, g); err != nil {
		return err
	}
	if s.presenceOnly() {
		return s.grantPresenceOnly(r, g)
	}
	if len(s.names)+len(s.matchers) == 0 {
		if len(g.Subscribe) == 0 {
			return Denied(r, g, "subscribe to anything")
		}
		for _, m := range g.Subscribe {
			if p, ok := m.(eventlog.Pattern); ok && !eventlog.IsPattern(p.String()) {
				s.names = append(s.names, p.String())
			} else {
				s.matchers = append(s.matchers, m)
			}
		}
		return nil
	}
	for _, name := range s.names {
		if !g.MayRead(name) {
			return Denied(r, g, "subscribe to topic "+name)
		}
	}
	for _, m := range s.matchers {
		if !g.MayFollow(m) {
			return Denied(r, g, fmt.Sprintf("subscribe to pattern %s", m))
		}
	}
	return nil
}

// subscribe answers a request with a stream.
func subscribe(h *Hub, w http.ResponseWriter, r *http.Request, p *params, path string) error {
	sub, err := parseSubscription(h, r, p, path)
	if err != nil {
		return err
	}
	grant, err := h.Authorize(r)
	if err != nil {
		return err
	}
	return follow(h, w, r, &sub, &grant)
}

// query answers a QUERY with a stream. It reads the body, which may be large, only if the client may subscribe to anything.
func query(h *Hub, w http.ResponseWriter, r *http.Request, p *params, path string) error {
	if _, err := negotiate(r.Header); err != nil {
		return err
	}
	grant, err := h.Authorize(r)
	if err != nil {
		return err
	}
	if len(grant.Subscribe)+len(grant.Presence) == 0 {
		return Denied(r, grant, "subscribe to anything")
	}
	p.inForm = true
	if err := h.ReadForm(w, r, &grant, p.add); err != nil {
		return err
	}
	sub, err := parseSubscription(h, r, p, path)
	if err != nil {
		return err
	}
	return follow(h, w, r, &sub, &grant)
}

// follow checks the grant and answers with a stream.
func follow(h *Hub, w http.ResponseWriter, r *http.Request, sub *subscription, grant *access.Grant) error {
	if err := sub.grant(r, *grant); err != nil {
		return err
	}
	err := h.Stream(w, r, *grant, &Subscription{
		Selector: sub.selector(), Start: sub.start, Encoding: sub.encoding, Heartbeat: sub.heartbeat, FailOnGap: sub.failOnGap, Poll: sub.poll, Limit: sub.limit,
		Present: sub.seen(), Watch: sub.watch,
	})
	if errors.Is(err, ErrComplete) { // EventSource does not reconnect after a 204
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return err
}
