package hub

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
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
	switch {
	case acceptsNDJSON(r.Header):
		s.form = ndjson
	case format == "envelope":
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
	return s, p.done()
}

const ndjsonType = "application/x-ndjson"

// acceptsNDJSON reports whether a client asks for NDJSON by name; browsers and curl take anything.
func acceptsNDJSON(header http.Header) bool {
	for _, line := range header.Values("Accept") {
		for part := range strings.SplitSeq(line, ",") {
			if kind, _, _ := strings.Cut(part, ";"); isNDJSON(strings.TrimSpace(kind)) {
				return true
			}
		}
	}
	return false
}

func isNDJSON(kind string) bool {
	switch strings.ToLower(kind) {
	case ndjsonType, "application/ndjson", "application/jsonl", "application/jsonlines":
		return true
	}
	return false
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
	if err := sub.grant(grant); err != nil {
		return denied(r, grant, err)
	}
	if r.Method == http.MethodHead {
		streamHeader(w.Header(), sub.form)
		return nil
	}
	if !h.enter() {
		return h.refuseStream(w, r, sub.form, h.drainProblem())
	}
	defer h.open.Done()
	c, first, err := h.start(r.Context(), &sub)
	if err != nil {
		return h.refuseStream(w, r, sub.form, err)
	}
	if c == nil { // everything has ended, and the client has it
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	s := &subscriber{wanted: sub.wanted, cursor: c, woken: make(chan struct{}, 1)}
	socket, err := openSocket(w, r, sub.form, sub.poll, h.opts.WriteTimeout)
	if err != nil {
		return err
	}
	h.interest.add(s)
	defer h.interest.remove(s)
	if whole := s.run(r.Context(), h, socket, first); !whole && sub.poll {
		panic(http.ErrAbortHandler) // which is how net/http is told to break off: a clean end would mean that this is all
	}
	return nil
}

// subscriber is a connection, what it wants, and its cursor. There is no queue.
type subscriber struct {
	wanted
	cursor *cursor

	pending atomic.Uint64 // number of the first event that is wanted since the cursor was looked at; 0: none
	woken   chan struct{}
}

// wake tells a subscriber of an event that it wants and is in the window, by its number; or by 0 that it has to look for itself.
// Calls come in the order of the log, so that the first is the one to remember.
func (s *subscriber) wake(seq uint64) {
	s.pending.CompareAndSwap(0, max(seq, 1))
	select {
	case s.woken <- struct{}{}:
	default:
	}
}

// run sends what there is, and what comes, until the client goes, or all has ended, or the hub drains. first is what goes out
// before. It reports whether everything was sent that was there.
func (s *subscriber) run(ctx context.Context, h *Hub, out socket, first []byte) (whole bool) {
	c := s.cursor
	buf := append(buffers.get(), first...)
	defer func() { buffers.put(buf) }()
	heartbeat := time.NewTimer(h.opts.Heartbeat)
	defer heartbeat.Stop()
	draining := false
	whole = true
	for {
		var now state
		var err error
		buf, now, err = c.next(ctx, buf)
		if err != nil {
			if ctx.Err() == nil && !errors.Is(err, eventlog.ErrClosed) {
				h.opts.Logger.Error("a stream ends, because its events cannot be read; the client comes back", "at", c.query.After.String(), "err", err.Error())
			}
			now, draining, whole = live, true, false // say when to come back
		}
		if draining && now == live {
			buf = appendRetry(buf, c.form, jitter(retryLeast/2, retryMost))
			now = over
		}
		if len(buf) > 0 {
			if out.write(buf) != nil {
				return whole // it has gone
			}
			buf = buf[:0]
			heartbeat.Reset(h.opts.Heartbeat)
		}
		switch now {
		case over:
			return whole
		case behind:
			if ctx.Err() != nil {
				return whole
			}
			continue
		}
		buffers.put(buf)
		buf = nil
		select {
		case <-s.woken:
		case <-heartbeat.C:
			heartbeat.Reset(h.opts.Heartbeat)
			if settled := h.interest.settled.Load(); s.pending.Load() == 0 && settled.Gen == c.query.After.Gen {
				c.skip(settled.Seq) // in this order: whoever wanted something up to there has been woken
			}
			buf = c.appendHeartbeat(buffers.get())
			continue
		case <-h.draining:
			draining = true
		case <-ctx.Done():
			return whole
		}
		buf = buffers.get()
		if first := s.pending.Swap(0); first > 1 {
			c.skip(first - 1)
		}
	}
}

// appendHeartbeat appends what goes out when nothing has for a while: a checkpoint if the log has moved on.
func (c *cursor) appendHeartbeat(b []byte) []byte {
	if c.query.After == c.sent {
		return appendHeartbeat(b, c.form)
	}
	return c.appendCheckpoint(b)
}
