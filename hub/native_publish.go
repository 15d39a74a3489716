package hub

import (
	"encoding/base64"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"strings"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/internal/wire"
)

// post is a request to publish without its body.
type post struct {
	topics []string
	typ    string
	key    string
	end    bool
	base64 bool
}

// publish answers a request that publishes.
func publish(h *Hub, w http.ResponseWriter, r *http.Request, p *params, path string) error {
	sent, err := parsePost(r, p, path)
	if err != nil {
		return err
	}
	grant, err := h.Authorize(r)
	if err != nil {
		return err
	}
	return h.Receive(w, r, grant, func(p *Publication) error {
		if err := p.Check(&Event{Topics: sent.topics, Type: sent.typ, Key: sent.key}); err != nil {
			return err
		}
		kind, text, err := p.Content()
		switch {
		case err != nil:
			return err
		case isNDJSON(kind):
			return sent.publishStream(h, w, p, sent.lines(h.Options().MaxEvent))
		case kind == wire.MediaSSE:
			return sent.publishStream(h, w, p, sent.blocks(h.Options().MaxEvent))
		case strings.HasPrefix(kind, "multipart/"):
			return NewProblem(http.StatusUnsupportedMediaType, wire.ProblemUnsupportedMedia, "a multipart form is not an event; send the data itself: curl --data-binary @FILE")
		}
		e := Event{Topics: sent.topics, Type: sent.typ, Key: sent.key, End: sent.end, Binary: !text}
		if e.Binary {
			e.ContentType = kind
		}
		return sent.publishBody(h, w, p, e)
	})
}

func parsePost(r *http.Request, p *params, path string) (sent post, err error) {
	if path != "" {
		sent.topics = append(sent.topics, path)
	}
	sent.topics = append(sent.topics, p.all(wire.ParamTopic)...)
	if sent.typ, _, err = p.one(wire.ParamType); err != nil {
		return sent, err
	}
	if sent.end, err = p.flag(wire.ParamEnd); err != nil {
		return sent, err
	}
	encoding, hasEncoding, err := p.one(wire.ParamEncoding)
	if err != nil {
		return sent, err
	}
	if sent.base64 = encoding == wire.Base64; hasEncoding && !sent.base64 && encoding != wire.UTF8 {
		return sent, NewProblem(http.StatusBadRequest, wire.ProblemInvalidRequest, "encoding=%.40s is invalid; use base64 or utf-8", encoding)
	}
	keys := r.Header.Values(wire.HeaderIdempotencyKey)
	if len(keys) > 1 || len(keys) == 1 && (keys[0] == "" || len(keys[0]) > wire.MaxKey) {
		return sent, NewProblem(http.StatusBadRequest, wire.ProblemInvalidRequest, "Idempotency-Key may be sent once, with 1 to %d visible ASCII characters", wire.MaxKey)
	} else if len(keys) == 1 {
		sent.key = keys[0]
	}
	return sent, p.done()
}

// publishBody publishes a body that is one event.
func (sent *post) publishBody(h *Hub, w http.ResponseWriter, p *Publication, e Event) (err error) {
	if len(sent.topics) == 0 {
		return NewProblem(http.StatusBadRequest, wire.ProblemInvalidTopic, "name the topic to publish to: POST /events/T, or /events?topic=T")
	}
	most := int64(0)
	if sent.base64 {
		most = int64(base64.StdEncoding.EncodedLen(h.Options().MaxEvent)) + 2 // and a line end
	}
	if e.Data, err = p.ReadBody(most); err != nil {
		return err
	}
	if sent.base64 {
		if err := p.Reserve(int64(base64.StdEncoding.DecodedLen(len(e.Data)))); err != nil {
			return err
		}
		if e.Data, err = wire.DecodeBase64(e.Data); err != nil {
			return NewProblem(http.StatusBadRequest, wire.ProblemInvalidEvent, "%v", err)
		}
		e.Binary = true
	}
	receipts, err := p.Append(e)
	if err != nil {
		return err
	}
	answerText(w, receiptJSON(&receipts[0]))
	return nil
}

// publishStream publishes a streamed body.
func (sent *post) publishStream(h *Hub, w http.ResponseWriter, p *Publication, events func(*Body) iter.Seq2[Event, error]) error {
	if sent.base64 {
		return NewProblem(http.StatusBadRequest, wire.ProblemInvalidRequest, "encoding=base64 is for a body that is one event; in NDJSON each line has its own encoding")
	}
	if sent.end && len(sent.topics) == 0 {
		return NewProblem(http.StatusBadRequest, wire.ProblemInvalidRequest, "end=1 ends the topics in the URL, and there are none; name a topic")
	}
	done, err := p.AppendStream(events)
	if err == nil && sent.end {
		err = sent.endTopics(p, &done)
	}
	if err != nil {
		return stopped(h, err, &done)
	}
	answer := map[string]any{"count": done.Count}
	if done.Count > 0 {
		answer["first"], answer["last"] = done.First.String(), done.Last.String()
	}
	if done.Duplicates > 0 {
		answer["duplicates"] = done.Duplicates
	}
	return answerJSON(w, answer)
}

// endTopics ends the topics of the request after its body.
func (sent *post) endTopics(p *Publication, done *Stored) error {
	e := Event{Topics: sent.topics, End: true}
	if sent.key != "" {
		e.Key = sent.key + "/end"
	}
	receipts, err := p.Append(e)
	done.Add(receipts)
	return err
}

// stopped returns the problem of a body that did not end cleanly, with the number of events that are stored.
func stopped(h *Hub, err error, done *Stored) *Problem {
	p := *h.Problem(err)
	p.Err = err
	extra := map[string]any{"stored": done.Count}
	if done.Count > 0 {
		extra["last"] = done.Last.String()
	}
	maps.Copy(extra, p.Extra)
	p.Extra = extra
	p.Detail = fmt.Sprintf("event %d: %s; %s", done.Count, p.Detail, storedText(done.Count))
	return &p
}

// storedText describes how many events before the failed one are stored.
func storedText(count int) string {
	switch count {
	case 0:
		return "nothing is stored"
	case 1:
		return "the event before it is stored"
	}
	return fmt.Sprintf("the %d events before it are stored", count)
}

// receiptJSON returns the response for one event. Positions contain nothing that JSON would escape.
func receiptJSON(r *eventlog.Receipt) []byte {
	text := make([]byte, 0, 64)
	text = r.AppendTo(append(text, `{"id":"`...))
	if r.Duplicate {
		return append(text, `","duplicate":true}`...)
	}
	return append(text, `"}`...)
}

// answerJSON writes a successful response.
func answerJSON(w http.ResponseWriter, answer any) error {
	text, err := wire.JSON(answer)
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
