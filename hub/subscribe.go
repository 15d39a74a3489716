package hub

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
)

// subscription is a parsed request for a stream.
type subscription struct {
	wanted
	start     Start
	encoding  *nativeEncoding
	poll      bool
	failOnGap bool
	heartbeat time.Duration
}

// parseSubscription parses a request for a stream.
func (h *Hub) parseSubscription(r *http.Request, p *params, path string) (s subscription, err error) {
	if s.wanted, err = topicsOf(p, path, h.opts.MaxTopics); err != nil {
		return s, err
	}
	if s.start, err = startOf(p, r.Header, time.Now()); err != nil {
		return s, err
	}
	if s.poll, err = p.flag("poll"); err != nil {
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
		return s, problem(http.StatusBadRequest, problemInvalidRequest, "format=%.40s is invalid; it must be plain or envelope", format)
	}
	onGap, _, err := p.one("on_gap")
	if err != nil {
		return s, err
	}
	if s.failOnGap = onGap == "fail"; onGap != "" && onGap != "fail" && onGap != "tell" {
		return s, problem(http.StatusBadRequest, problemInvalidRequest, "on_gap=%.40s is invalid; it must be tell or fail", onGap)
	}
	if s.heartbeat, err = h.parseHeartbeat(p); err != nil {
		return s, err
	}
	return s, p.done()
}

// parseHeartbeat parses the interval at which a subscriber wants checkpoints as heartbeats. The interval of the hub is the longest, so that
// connections are never silent for longer than [Options.Heartbeat].
func (h *Hub) parseHeartbeat(p *params) (time.Duration, error) {
	text, ok, err := p.one("heartbeat")
	if err != nil || !ok {
		return 0, err
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < h.opts.HeartbeatMin {
		return 0, problem(http.StatusBadRequest, problemInvalidRequest,
			"heartbeat=%.40s is invalid; it must be a duration such as 15s, and at least %v", text, h.opts.HeartbeatMin)
	}
	return min(d, h.opts.Heartbeat), nil
}

// grant checks a subscription against a grant. A subscription without topics gets all topics of the grant.
func (s *subscription) grant(g access.Grant) error {
	if len(s.names)+len(s.matchers) == 0 {
		if len(g.Subscribe) == 0 {
			return forbidden("subscribe to anything")
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
			return forbidden("subscribe to topic " + name)
		}
	}
	for _, m := range s.matchers {
		if !g.MayFollow(m) {
			return forbidden(fmt.Sprintf("subscribe to pattern %s", m))
		}
	}
	return nil
}

// subscribe answers a request with a stream.
func (h *Hub) subscribe(w http.ResponseWriter, r *http.Request, p *params, path string) error {
	sub, err := h.parseSubscription(r, p, path)
	if err != nil {
		return err
	}
	grant, err := h.Authorize(r)
	if err != nil {
		return err
	}
	return h.follow(w, r, &sub, &grant)
}

// query answers a QUERY with a stream. It reads the body, which may be large, only if the client may subscribe to anything.
func (h *Hub) query(w http.ResponseWriter, r *http.Request, p *params, path string) error {
	if _, err := negotiate(r.Header); err != nil {
		return err
	}
	grant, err := h.Authorize(r)
	if err != nil {
		return err
	}
	if len(grant.Subscribe) == 0 {
		return denied(r, grant, forbidden("subscribe to anything"))
	}
	if err := h.readForm(w, r, p, &grant); err != nil {
		return err
	}
	sub, err := h.parseSubscription(r, p, path)
	if err != nil {
		return err
	}
	return h.follow(w, r, &sub, &grant)
}

// readForm reads the form of a QUERY. Meanwhile the request counts as a stream in the limits, but not as an open stream, for which Shutdown
// would wait.
func (h *Hub) readForm(w http.ResponseWriter, r *http.Request, p *params, g *access.Grant) error {
	from := h.addressOf(r)
	if err := h.limits.enter(from, g); err != nil {
		return err
	}
	defer h.limits.exit(from, g)
	rent := rent{memory: h.bodies, from: from, grant: g}
	defer rent.end()
	return h.addForm(w, r, p, &rent)
}

// follow checks the grant and answers with a stream.
func (h *Hub) follow(w http.ResponseWriter, r *http.Request, sub *subscription, grant *access.Grant) error {
	if err := sub.grant(*grant); err != nil {
		return denied(r, *grant, err)
	}
	err := h.Stream(w, r, *grant, &Subscription{
		Selector: sub.selector(), Start: sub.start, Encoding: sub.encoding, Heartbeat: sub.heartbeat, FailOnGap: sub.failOnGap, Poll: sub.poll,
	})
	if errors.Is(err, ErrComplete) { // EventSource does not reconnect after a 204
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return err
}
