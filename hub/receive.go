package hub

import (
	"errors"
	"net/http"
	"sync"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
)

// Publication is a request that publishes: see [Hub.Receive]. Only the function that Receive calls may use it, and the parser that this
// function gives to AppendStream.
type Publication struct {
	hub     *Hub
	w       http.ResponseWriter
	r       *http.Request
	grant   access.Grant
	from    address
	rent    rent
	payload payload
	parsed  bool // payload is set
	charged int  // events that the rate limits have counted and Append has not stored

	broken  error          // of reading the body, which cannot be read again
	unread  bool           // the body was not read to its end
	readers sync.WaitGroup // goroutines that read the body
}

// Receive calls f with a request that publishes under a grant, and returns the error of f. It refuses requests from pages of other origins
// (CSRF). In f, a dialect reads the body and appends its events, all or none with [Publication.ReadBody] and [Publication.Append], or as they
// arrive with [Publication.AppendStream]. All of them keep to the limits in [Options].
//
// The caller must return the error from [Route].Serve, and f should return or wrap the errors of its Publication: if the client is still
// sending the body, the hub refuses the request at once, in the form of the dialect, and then discards the rest. After an error of reading,
// the body cannot be read again: ReadBody and AppendStream return the same error.
//
// Every error contains a [*Problem], or [Hub.Problem] turns it into one: also errors of access, of eventlog and of the network.
func (h *Hub) Receive(w http.ResponseWriter, r *http.Request, grant access.Grant, f func(*Publication) error) error {
	if err := h.checkOrigin(r); err != nil {
		return err
	}
	p := &Publication{hub: h, w: w, r: r, grant: grant, from: h.addressOf(r)}
	p.rent = rent{memory: h.bodies, from: p.from, grant: &p.grant}
	defer p.end()
	err := f(p)
	switch {
	case !p.unread:
		return err
	case err == nil: // f has answered
		h.discardRest(w, r, p.readers.Wait)
		return nil
	}
	return &unreadError{err, p.readers.Wait}
}

// end returns the memory of the body, when no goroutine reads it any more. It does not rely on the dialect, which may have panicked or may not
// return the error of Receive.
func (p *Publication) end() {
	if !p.unread {
		p.rent.close()
		return
	}
	go func() {
		p.readers.Wait()
		p.rent.close()
	}()
}

// leaveUnread notes that the body was not read to its end, because of an error.
func (p *Publication) leaveUnread(err error) {
	p.broken = err
	if p.r.ProtoMajor == 1 {
		p.unread = true
		p.w.Header().Set("Connection", "close") // otherwise net/http reads the rest of the body before it sends an answer
	}
}

// unreadError is an error of a request whose body was not read to its end.
type unreadError struct {
	error
	wait func() // returns when no goroutine reads the body
}

func (e *unreadError) Unwrap() error { return e.error }

// Check returns the error with which Append would refuse an event because of its topics, its type or its key. A dialect calls it before it
// reads the body of such an event. An event without topics is not an error here.
func (p *Publication) Check(e *Event) error {
	for _, topic := range e.Topics {
		if err := checkTopic(topic); err != nil {
			return err
		}
	}
	if err := checkType(e.Type); err != nil {
		return err
	}
	if err := checkKey(e.Key); err != nil {
		return err
	}
	return p.granted(e.Topics)
}

// granted returns an error if the grant does not allow publishing to a topic.
func (p *Publication) granted(topics []string) error {
	for _, topic := range topics {
		if !p.grant.MayPublish(topic) {
			return Denied(p.r, p.grant, "publish to topic "+topic)
		}
	}
	return nil
}

// record checks an event and returns its record for the log.
func (p *Publication) record(e *Event) (eventlog.Record, error) {
	r, err := p.hub.record(e, p.grant.Subject)
	if err != nil {
		return r, err
	}
	return r, p.granted(e.Topics)
}

// Content describes a body as its header declares it: its media type in lower case, without parameters and empty if there is none, and
// whether it is text, which ReadBody and AppendStream convert to UTF-8. The error is a [*Problem] for a header that is invalid, or that names
// an unknown charset or content coding.
func (p *Publication) Content() (mediaType string, text bool, err error) {
	if !p.parsed {
		if p.payload, err = payloadOf(p.r.Header); err != nil {
			return "", false, err
		}
		p.parsed = true
	}
	return p.payload.kind, p.payload.text, nil
}

// ReadBody returns a whole body, decompressed, and in UTF-8 if it is text. The limit on the decoded size is most bytes, or
// [Options.MaxEvent] if most is 0. The rate limits count the body as one event, which the next Append does not count again: a publisher that
// is too fast is refused before the body is read. The bytes count towards [Options.MaxBodyMemory] until the function of Receive returns.
func (p *Publication) ReadBody(most int64) (string, error) {
	h := p.hub
	if _, _, err := p.Content(); err != nil {
		return "", err
	}
	if p.broken != nil {
		return "", p.broken
	}
	if most == 0 {
		most = int64(h.opts.MaxEvent)
	}
	if p.payload.plain() && p.r.ContentLength > most { // before clients that send Expect: 100-continue send the body
		err := h.tooLarge(min(most, int64(h.opts.MaxEvent)))
		p.leaveUnread(err)
		return "", err
	}
	if _, tooFast := h.limits.publish(p.from, &p.grant, 1, 1); tooFast != nil {
		return "", tooFast
	}
	p.charged++
	data, err := readEvent(p.r, &p.payload, most, &p.rent)
	if err != nil {
		p.rent.end() // the rest of the body is discarded and needs no memory
		if errors.Is(err, errTooLong) {
			err = h.tooLarge(min(most, int64(h.opts.MaxEvent)))
		} else {
			err = brokenBody(err)
		}
		p.leaveUnread(err)
		return "", err
	}
	return data, nil
}

// Reserve counts n more bytes towards [Options.MaxBodyMemory] until the function of Receive returns, for a dialect that decodes a body once
// more. The error is a [*Problem] if there is no memory, or if Receive has returned.
func (p *Publication) Reserve(n int64) error { return p.rent.take(n) }

// Append stores events, all or none, and returns when they are durable. It stores them even if the client disconnects meanwhile. The
// idempotency keys of different subjects differ.
//
// Errors are those of [eventlog.Log].Append, and a [*Problem] if an event is invalid, if the grant has expired, was revoked, or does not allow
// the topics, and if the rate limits do not allow all of the events now. Refused events do not count towards the rate, except the one that
// ReadBody has counted.
func (p *Publication) Append(events ...Event) ([]eventlog.Receipt, error) {
	h := p.hub
	records := make([]eventlog.Record, len(events))
	for i := range events {
		var err error
		if records[i], err = p.record(&events[i]); err != nil {
			return nil, err
		}
	}
	if err := h.stillGranted(&p.grant); err != nil { // the grant may have expired while the body arrived
		return nil, err
	}
	more := max(len(events)-p.charged, 0)
	if _, tooFast := h.limits.publish(p.from, &p.grant, more, more); tooFast != nil {
		return nil, tooFast
	}
	receipts, err := h.append(records)
	if err != nil {
		h.limits.giveBack(p.from, &p.grant, more)
		return nil, err
	}
	p.charged = max(p.charged-len(events), 0)
	h.count.stored(receipts)
	return receipts, nil
}
