package hub

import (
	"net/http"
	"time"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/hub/internal/fanout"
)

// client is the client of a stream. Package fanout uses it to check the grant and to report the end of the stream.
type client struct {
	hub   *Hub
	grant access.Grant
	from  address
	ended func(StreamEnd) // from OnStream; may be nil
	http1 bool            // it has a connection of its own
	taken bool            // its connection is one of Hub.takenOver
	kept  bool            // fan-out has it, and calls Closed

	presence *attendance // nil: the stream has nothing to do with presence
}

var _ fanout.Client = (*client)(nil)

func (c *client) Expires() time.Time { return c.grant.Expires }

func (c *client) Revoked() bool {
	_, yes := c.hub.revocations.Revoked(c.grant)
	return yes
}

// Boards returns the topics whose presence the stream watches.
func (c *client) Boards() []fanout.Board {
	if c.presence == nil {
		return nil
	}
	return c.presence.boards
}

// Closed releases the stream in the limits and reports its end.
func (c *client) Closed(end fanout.End) {
	c.presence.leave(end.Reason)
	c.hub.limits.exit(c.http1, c.from, &c.grant)
	if c.taken {
		c.hub.takenOver.Add(-1)
	}
	if c.ended != nil {
		c.hub.ending.Go(func() { c.ended(StreamEnd{end.Bytes, end.Reason.String()}) }) // in a goroutine, because a shard must not block
	}
}

// Stream answers a request with a stream, after the caller has checked the subscription against the grant. A HEAD request gets only the
// header.
//
// The caller must return the error from [Route].Serve, even if the stream has begun: the error may make the hub wait for the end of the
// stream. Errors before a stream begins are [ErrComplete], a [*GapError], a [*Problem], and those of the log.
func (h *Hub) Stream(w http.ResponseWriter, r *http.Request, grant access.Grant, s *Subscription) error {
	enc, zipped := h.opts.compressed(r, s)
	if r.Method == http.MethodHead {
		enc.Header(w.Header())
		return nil
	}
	c := &client{hub: h, grant: grant, from: h.addressOf(r), http1: r.ProtoMajor == 1}
	if err := h.limits.enter(c.http1, c.from, &c.grant); err != nil {
		return err
	}
	defer func() {
		if !c.kept { // also after a panic in code of an embedder
			c.Closed(fanout.End{Reason: fanout.Gone})
		}
	}()
	stream, err := h.fanout.Open(r.Context(), &fanout.Subscription{
		Selector: s.Selector, Filter: s.Filter, From: s.Start, Encoding: s.Encoding, Heartbeat: s.Heartbeat, FailOnGap: s.FailOnGap, Once: s.Poll, Limit: s.Limit,
		Gzip: zipped && !s.Poll, Client: c,
	})
	if err != nil {
		return err
	}
	defer stream.Close()
	if s.Begin != nil {
		s.Begin(w.Header(), stream.At(), stream.Gap())
	}
	if s.Poll {
		return h.poll(w, r, stream, enc, c, zipped)
	}
	if c.presence, err = h.attend(&grant, c.from, s); err != nil {
		return err
	}
	if h.opts.OnStream != nil {
		c.ended = h.opts.OnStream(r)
	}
	return h.attach(w, r, stream, enc, c)
}

// poll answers with the events up to the head of the log.
func (h *Hub) poll(w http.ResponseWriter, r *http.Request, stream *fanout.Stream, enc Encoding, c *client, zipped bool) error {
	out, err := openSocket(w, r, enc, true, h.opts.WriteTimeout)
	if err != nil {
		return err
	}
	gone := false
	write := func(b []byte) error {
		if err := h.over(&c.grant); err != nil {
			return err
		}
		err := out.Write(b)
		gone = err != nil
		return err
	}
	if zipped {
		zip := newZipWriter(write)
		if err = stream.Poll(r.Context(), zip.send); err == nil {
			err = zip.end()
		}
	} else {
		err = stream.Poll(r.Context(), write)
	}
	if err != nil && !gone {
		panic(http.ErrAbortHandler) // net/http then breaks the connection: a clean end would mean that the answer is complete
	}
	return nil
}
