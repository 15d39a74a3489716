package hub

import (
	"net/http"
	"time"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
)

// subscription is what a request asks for.
type subscription struct {
	wanted
	begin
	form      form
	poll      bool
	failOnGap bool
	beat      beat
}

// parseSubscription reads it. Nothing is done yet.
func (h *Hub) parseSubscription(r *http.Request, p *params, path string) (s subscription, err error) {
	if s.wanted, err = topicsOf(p, path, h.opts.MaxTopics); err != nil {
		return s, err
	}
	if s.begin, err = beginOf(p, r.Header, time.Now()); err != nil {
		return s, err
	}
	if s.poll, err = p.flag("poll"); err != nil {
		return s, err
	}
	format, _, err := p.one("format")
	if err != nil {
		return s, err
	}
	if s.form, err = negotiate(r.Header); err != nil {
		return s, err
	}
	if s.form == plain && format == "envelope" {
		s.form = envelope
	}
	if format != "" && format != "envelope" && format != "plain" {
		return s, problem(http.StatusBadRequest, problemInvalidRequest, "format=%.40s makes no sense; it is plain or envelope", format)
	}
	onGap, _, err := p.one("on_gap")
	if err != nil {
		return s, err
	}
	if s.failOnGap = onGap == "fail"; onGap != "" && onGap != "fail" && onGap != "tell" {
		return s, problem(http.StatusBadRequest, problemInvalidRequest, "on_gap=%.40s makes no sense; it is tell or fail", onGap)
	}
	if s.beat, err = h.parseHeartbeat(p); err != nil {
		return s, err
	}
	return s, p.done()
}

// parseHeartbeat reads how often a subscriber wants a heartbeat that it can see. A longer interval than the hub's own would be silent for
// longer than the operator wants: the hub's own counts then.
func (h *Hub) parseHeartbeat(p *params) (beat, error) {
	text, ok, err := p.one("heartbeat")
	if err != nil || !ok {
		return 0, err
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < h.opts.HeartbeatMin {
		return 0, problem(http.StatusBadRequest, problemInvalidRequest,
			"heartbeat=%.40s makes no sense; it is a time such as 15s, at least %v here", text, h.opts.HeartbeatMin)
	}
	return beatOf(min(d, h.opts.Heartbeat)), nil
}

// grant checks what a subscription wants against what is granted. Without topics it wants all that is.
func (s *subscription) grant(g access.Grant) error {
	if len(s.names)+len(s.patterns) == 0 {
		if len(g.Subscribe) == 0 {
			return forbidden("subscribe to anything")
		}
		for _, p := range g.Subscribe {
			if eventlog.IsPattern(p.String()) {
				s.patterns = append(s.patterns, p)
			} else {
				s.names = append(s.names, p.String())
			}
		}
		return nil
	}
	for _, name := range s.names {
		if !g.MayRead(name) {
			return forbidden("subscribe to topic " + name)
		}
	}
	for _, p := range s.patterns {
		if !g.MayFollow(p) {
			return forbidden("subscribe to pattern " + p.String())
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
	grant, err := h.authorize(r)
	if err != nil {
		return h.refuseStream(w, r, sub.form, err)
	}
	return h.follow(w, r, &sub, &grant)
}

// query answers a QUERY with a stream. What it asks for is in its body, which may be large, and is read of those only who are let in.
func (h *Hub) query(w http.ResponseWriter, r *http.Request, p *params, path string) error {
	refused, err := negotiate(r.Header) // the form of a refusal
	if err != nil {
		return err
	}
	grant, err := h.authorize(r)
	if err != nil {
		return h.refuseStream(w, r, refused, err)
	}
	if len(grant.Subscribe) == 0 {
		return denied(r, grant, forbidden("subscribe to anything"))
	}
	if err := h.readForm(w, r, p, &grant); err != nil {
		return h.refuseStream(w, r, refused, err)
	}
	sub, err := h.parseSubscription(r, p, path)
	if err != nil {
		return err
	}
	return h.follow(w, r, &sub, &grant)
}

// readForm reads the form of somebody who has a place meanwhile. It is not that of his stream, for which a hub would wait that drains.
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

// follow sends a stream to somebody who may have it.
func (h *Hub) follow(w http.ResponseWriter, r *http.Request, sub *subscription, grant *access.Grant) error {
	if err := sub.grant(*grant); err != nil {
		return denied(r, *grant, err)
	}
	if r.Method == http.MethodHead {
		streamHeader(w.Header(), sub.form)
		return nil
	}
	from := h.addressOf(r)
	if err := h.enter(from, grant); err != nil {
		return h.refuseStream(w, r, sub.form, err)
	}
	kept := false // by a stream that goes on
	defer func() {
		if !kept { // also when somebody else's code panics
			h.exit(from, grant)
		}
	}()
	c, first, err := h.start(r.Context(), sub)
	if err != nil {
		return h.refuseStream(w, r, sub.form, err)
	}
	if c == nil { // everything has ended, and the client has it
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	if sub.poll {
		return h.poll(w, r, c, first, grant)
	}
	var ended func(StreamEnd)
	if h.opts.OnStream != nil {
		ended = h.opts.OnStream(r)
	}
	kept = true
	stream := &subscriber{
		shard: h.shard(), group: c.group, cursor: c, failOnGap: c.failOnGap, grant: grant, from: from, opened: h.count.open(), fd: -1, slot: -1,
		ended: ended,
	}
	return h.attach(w, r, stream, first)
}

// poll answers with what there is, and ends.
func (h *Hub) poll(w http.ResponseWriter, r *http.Request, c *cursor, first []byte, g *access.Grant) error {
	out, err := openSocket(w, r, c.group.form, true, h.opts.WriteTimeout)
	if err != nil {
		return err
	}
	b := append(buffers.get(), first...)
	defer func() { buffers.put(b) }()
	for now := behind; now != over; {
		var pieces []piece
		if pieces, now, err = c.next(r.Context()); err != nil {
			h.cannotRead(r.Context(), c.query.After, err)
			panic(http.ErrAbortHandler) // which is how net/http is told to break off: a clean end would mean that this is all
		}
		if h.over(g) != nil {
			panic(http.ErrAbortHandler)
		}
		for _, p := range pieces {
			b = append(b, p.text...)
		}
		if out.write(b) != nil {
			return nil // it has gone
		}
		h.count.sent(1, eventsIn(pieces), len(b))
		b = b[:0]
	}
	return nil
}
