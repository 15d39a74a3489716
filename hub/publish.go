package hub

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/internal/wire"
)

// Event is an event to publish.
type Event struct {
	Topics []string // the first is the canonical topic
	Type   string   // empty: message
	Data   string   // text, whose line ends become LF; any bytes if Binary
	Binary bool     // Data is bytes, which subscribers get as base64

	ContentType string // media type of binary data
	Key         string // idempotency key: an event that is published again with its key is stored once
	End         bool   // the event is the last of its topics

	Flags eventlog.Flags // further properties of the record, for the filters of a dialect
}

// Publish stores events, all or none, as if they had been posted, and returns their positions. It does not call
// [Options.Authorize]. Errors are those of [eventlog.Log].Append, and a [*Problem] for events that subscribers could not get.
func (h *Hub) Publish(ctx context.Context, events ...Event) ([]eventlog.Receipt, error) {
	if !h.opened.Load() {
		return nil, h.unopened()
	}
	records := make([]eventlog.Record, len(events))
	for i := range events {
		var err error
		if records[i], err = h.record(&events[i], ""); err != nil {
			return nil, err
		}
	}
	return h.log.Append(ctx, records)
}

// PublishRequest stores the events of a request, all or none, for a dialect that has checked the topics against the grant. It applies
// the rate limits, separates the idempotency keys of subjects, and stores the events even if the client disconnects meanwhile. Errors
// are those of Publish, and a [*Problem] if the grant has expired, was revoked, or publishes too fast.
func (h *Hub) PublishRequest(r *http.Request, grant access.Grant, events ...Event) ([]eventlog.Receipt, error) {
	if _, tooFast := h.limits.publish(h.addressOf(r), &grant, len(events)); tooFast != nil {
		return nil, tooFast
	}
	if err := h.stillGranted(&grant); err != nil {
		return nil, err
	}
	records := make([]eventlog.Record, len(events))
	for i := range events {
		var err error
		if records[i], err = h.record(&events[i], grant.Subject); err != nil {
			return nil, err
		}
	}
	receipts, err := h.append(records)
	if err != nil {
		return nil, appendError(err)
	}
	h.count.stored(receipts)
	return receipts, nil
}

// record checks an event and returns its record for the log. The idempotency key is scoped to subject.
func (h *Hub) record(e *Event, subject string) (r eventlog.Record, err error) {
	switch n := len(e.Topics); {
	case n == 0:
		return r, problem(http.StatusBadRequest, problemInvalidTopic, "the event has no topic")
	case n > eventlog.MaxTopics:
		return r, problem(http.StatusBadRequest, problemTooMany, "an event has at most %d topics; this one has %d", eventlog.MaxTopics, n)
	}
	for _, topic := range e.Topics {
		if err := checkTopic(topic); err != nil {
			return r, err
		}
	}
	if err := checkType(e.Type); err != nil {
		return r, err
	}
	if err := checkKey(e.Key); err != nil {
		return r, err
	}
	if len(e.Data) > h.opts.MaxEvent {
		return r, h.tooLarge(int64(h.opts.MaxEvent))
	}
	r = eventlog.Record{Topics: e.Topics, Type: e.Type, Data: e.Data, Key: scoped(subject, e.Key), Flags: e.Flags}
	if r.Type == "message" {
		r.Type = "" // the default type
	}
	if e.End {
		r.Flags |= eventlog.End
	}
	if e.Binary {
		r.Flags |= eventlog.Binary
		r.ContentType = e.ContentType
		return r, r.Check()
	}
	if i := invalidUTF8(e.Data); i >= 0 {
		return r, problem(http.StatusBadRequest, problemInvalidEvent,
			"the text is not UTF-8 at byte %d; send bytes with a Content-Type such as application/octet-stream, or as encoding=base64", i)
	}
	r.Data = lineFeeds(e.Data)
	return r, r.Check()
}

// checkTopic returns an error if a topic name is invalid or reserved.
func checkTopic(topic string) error {
	if err := eventlog.CheckName(topic); err != nil {
		return invalidTopic(err)
	}
	if eventlog.Reserved(topic) {
		return problem(http.StatusForbidden, problemForbidden, "topic %q is reserved for the hub, like all that begin with $; use another name", topic)
	}
	return nil
}

// checkType returns an error if an event type is invalid or reserved.
func checkType(typ string) error {
	switch {
	case typ == "":
		return nil
	case strings.HasPrefix(typ, wire.ControlPrefix):
		return problem(http.StatusBadRequest, problemInvalidEvent, "types that begin with %s are reserved for the hub; use another type than %.60q", wire.ControlPrefix, typ)
	case !utf8.ValidString(typ) || strings.ContainsFunc(typ, unicode.IsControl):
		return problem(http.StatusBadRequest, problemInvalidEvent, "the type %.60q has a control character or is not UTF-8", typ)
	case len(typ) > 1<<10:
		return problem(http.StatusRequestEntityTooLarge, problemTooLarge, "the type has %d bytes; the limit is 1024", len(typ))
	}
	return nil
}

// checkKey checks an idempotency key. The key of an event in a streamed body is the key of the body, a slash and the event's number.
func checkKey(key string) error {
	if len(key) > wire.MaxKey+len("/18446744073709551615") || strings.ContainsFunc(key, func(c rune) bool { return c < '!' || c > '~' }) {
		return problem(http.StatusBadRequest, problemInvalidRequest, "an idempotency key is 1 to %d visible ASCII characters", wire.MaxKey)
	}
	return nil
}

// scoped returns an idempotency key that no other subject can have.
func scoped(subject, key string) string {
	switch {
	case key == "" || subject == "":
		return key
	case len(subject) > 256:
		sum := sha256.Sum256([]byte(subject))
		subject = hex.EncodeToString(sum[:])
	}
	return subject + "\x00" + key
}

// invalidUTF8 returns where a text is not UTF-8, -1 if it is.
func invalidUTF8(text string) int {
	if utf8.ValidString(text) {
		return -1
	}
	for i, c := range text {
		if c == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(text[i:]); size == 1 {
				return i
			}
		}
	}
	return -1
}

// lineFeeds converts line ends to LF, as event streams have them.
func lineFeeds(text string) string {
	if strings.IndexByte(text, '\r') < 0 {
		return text
	}
	return strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
}

// publication is a request to publish without its body.
type publication struct {
	topics  []string
	typ     string
	key     string
	end     bool
	base64  bool
	subject string
	grant   access.Grant
	from    address
	request *http.Request
	payload payload
	rent    rent
}

// publish answers a request that publishes.
func (h *Hub) publish(w http.ResponseWriter, r *http.Request, p *params, path string) error {
	pub, err := parsePublication(r, p, path)
	if err != nil {
		return err
	}
	if err := h.checkOrigin(r); err != nil {
		return err
	}
	if pub.grant, err = h.Authorize(r); err != nil {
		return err
	}
	pub.subject, pub.request, pub.from = pub.grant.Subject, r, h.addressOf(r)
	if err := pub.allowed(pub.topics); err != nil {
		return err
	}
	if pub.payload, err = payloadOf(r.Header); err != nil {
		return err
	}
	pub.rent = rent{memory: h.bodies, from: pub.from, grant: &pub.grant}
	defer pub.rent.end()
	switch kind := pub.payload.kind; {
	case isNDJSON(kind):
		return h.ingest(w, r, &pub, newLines)
	case kind == wire.MediaSSE:
		return h.ingest(w, r, &pub, newStream)
	case strings.HasPrefix(kind, "multipart/"):
		return problem(http.StatusUnsupportedMediaType, problemMediaType, "a multipart form is not an event; send the data itself: curl --data-binary @FILE")
	}
	return h.publishBody(w, r, &pub)
}

func parsePublication(r *http.Request, p *params, path string) (pub publication, err error) {
	if path != "" {
		pub.topics = append(pub.topics, path)
	}
	pub.topics = append(pub.topics, p.all(wire.ParamTopic)...)
	if pub.typ, _, err = p.one(wire.ParamType); err != nil {
		return pub, err
	}
	if pub.end, err = p.flag(wire.ParamEnd); err != nil {
		return pub, err
	}
	encoding, hasEncoding, err := p.one(wire.ParamEncoding)
	if err != nil {
		return pub, err
	}
	if pub.base64 = encoding == wire.Base64; hasEncoding && !pub.base64 && encoding != wire.UTF8 {
		return pub, problem(http.StatusBadRequest, problemInvalidRequest, "encoding=%.40s is invalid; use base64 or utf-8", encoding)
	}
	keys := r.Header.Values(wire.HeaderIdempotencyKey)
	if len(keys) > 1 || len(keys) == 1 && (keys[0] == "" || len(keys[0]) > wire.MaxKey) {
		return pub, problem(http.StatusBadRequest, problemInvalidRequest, "Idempotency-Key may be sent once, with 1 to %d visible ASCII characters", wire.MaxKey)
	} else if len(keys) == 1 {
		pub.key = keys[0]
	}
	if err := checkKey(pub.key); err != nil {
		return pub, err
	}
	if err := checkType(pub.typ); err != nil {
		return pub, err
	}
	return pub, p.done()
}

// allowed returns an error if a topic is invalid, or the grant does not allow publishing to it.
func (pub *publication) allowed(topics []string) error {
	for _, topic := range topics {
		if err := checkTopic(topic); err != nil {
			return err
		}
		if !pub.grant.MayPublish(topic) {
			return denied(pub.request, pub.grant, forbidden("publish to topic "+topic))
		}
	}
	return nil
}

// limitBody sets the deadline for the body of a request. Bodies that the handler ignores need one, too: net/http reads them, so that it
// can keep the connection.
func (h *Hub) limitBody(w http.ResponseWriter, r *http.Request) error {
	if r.ContentLength == 0 {
		return nil
	}
	return h.readDeadline(w)
}

// readDeadline sets the deadline for reading a body.
func (h *Hub) readDeadline(w http.ResponseWriter) error {
	err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(h.opts.BodyTimeout))
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}

// publishBody publishes a body that is one event.
func (h *Hub) publishBody(w http.ResponseWriter, r *http.Request, pub *publication) error {
	if len(pub.topics) == 0 {
		return problem(http.StatusBadRequest, problemInvalidTopic, "name the topic to publish to: POST /events/T, or /events?topic=T")
	}
	limit := int64(h.opts.MaxEvent)
	if pub.base64 {
		limit = int64(base64.StdEncoding.EncodedLen(h.opts.MaxEvent)) + 2 // and a line end
	}
	if pub.payload.plain() && r.ContentLength > limit { // before clients that send Expect: 100-continue send the body
		return h.tooLarge(int64(h.opts.MaxEvent))
	}
	if _, tooFast := h.limits.publish(pub.from, &pub.grant, 1); tooFast != nil {
		return tooFast
	}
	data, err := readEvent(r, &pub.payload, limit, &pub.rent)
	if err != nil {
		pub.rent.end() // the rest of the body is discarded and needs no memory
		if errors.Is(err, errTooLong) {
			err = h.tooLarge(int64(h.opts.MaxEvent))
		}
		return h.refuseRest(w, r, brokenBody(err))
	}
	e := Event{Topics: pub.topics, Type: pub.typ, Data: data, Binary: !pub.payload.text, Key: pub.key, End: pub.end}
	if e.Binary {
		e.ContentType = pub.payload.kind
	}
	if pub.base64 {
		if err := pub.rent.take(int64(base64.StdEncoding.DecodedLen(len(data)))); err != nil {
			return err
		}
		if e.Data, err = wire.DecodeBase64(e.Data); err != nil {
			return problem(http.StatusBadRequest, problemInvalidEvent, "%v", err)
		}
		e.Binary = true
	}
	record, err := h.record(&e, pub.subject)
	if err != nil {
		return err
	}
	if err := h.stillMay(pub); err != nil { // the grant may have expired while the body arrived
		return err
	}
	receipts, err := h.append([]eventlog.Record{record})
	if err != nil {
		return appendError(err)
	}
	h.count.stored(receipts)
	answerText(w, receiptJSON(&receipts[0]))
	return nil
}

// receiptJSON returns the response for one event. Positions contain nothing that JSON would escape.
func receiptJSON(r *eventlog.Receipt) []byte {
	text := make([]byte, 0, 64)
	text = append(text, `{"id":"`...)
	text = append(text, r.String()...)
	if r.Duplicate {
		return append(text, `","duplicate":true}`...)
	}
	return append(text, `"}`...)
}

// appendError removes the index of a record from an error of Append about one record.
func appendError(err error) error {
	if recordErr, ok := errors.AsType[*eventlog.RecordError](err); ok {
		return recordErr.Err
	}
	return err
}

// brokenBody returns the problem of a body that could not be read to its end. Its status is 408: a client behind a proxy may still be
// connected, and the same request may succeed when it is sent again.
func brokenBody(err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok { // the network is not the cause
		return p
	}
	p := problem(http.StatusRequestTimeout, problemBroken, "the body broke off (%v); send it again, with the same Idempotency-Key if it had one", err)
	if timeout, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err); ok && timeout.Timeout() {
		p = problem(http.StatusRequestTimeout, problemTimeout, "the body did not arrive in time; send it again, and faster")
	}
	p.Err = err
	return p
}

// answerJSON writes a successful response.
func answerJSON(w http.ResponseWriter, answer any) error {
	text, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	answerText(w, text)
	return nil
}

// answerText writes a successful response that is JSON already.
func answerText(w http.ResponseWriter, text []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(append(text, '\n')) // a client that has disconnected can send the request again, with the same key
}
