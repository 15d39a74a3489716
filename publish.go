package tidings

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/tidings-sse/tidings/internal/wire"
)

// Receipt says where the hub has stored an event.
type Receipt struct {
	ID        string // its position
	Duplicate bool   // it was stored before: by another call with the same key, or by an attempt of this one that broke
	Key       string // its idempotency key, known with an error as well
}

// Publish stores an event and returns when the hub has it, as durably as its log is configured. It tries again, for as long
// as ctx lasts, when the hub cannot be reached, when the connection breaks, and when the hub says to come back later; the
// key keeps that from storing the event twice.
//
// An error is a [*Problem] when the hub has refused the event. After any other, and when ctx ended it, which then stands
// beside the problem of the last attempt, the event may be stored or not: publishing it again with the Receipt's Key brings
// certainty.
func (c *Client) Publish(ctx context.Context, e Event) (r Receipt, err error) {
	defer wrap(&err, "publish")
	if err := e.check(); err != nil {
		return Receipt{}, err
	}
	e.Key = cmp.Or(e.Key, rand.Text())
	r.Key = e.Key
	p, err := c.single(e)
	if err != nil {
		return r, err
	}
	err = c.persist(ctx, func() (bool, error) {
		a, err := c.post(ctx, p)
		if err == nil && a.ID == "" && a.Last == "" {
			err = fmt.Errorf("%w: it has no id", ErrNoHub)
		}
		r.ID, r.Duplicate = a.ID, a.Duplicate
		if a.ID == "" { // of an event that went as a line
			r.ID, r.Duplicate = a.Last, a.Duplicates > 0
		}
		return false, err
	})
	return r, err
}

// Content types that the hub takes for text, for bytes, and for events by the line.
const (
	textType   = "text/plain; charset=utf-8"
	binaryType = "application/octet-stream"
	linesType  = wire.MediaNDJSON
)

// longestURL is how long a URL may be that nobody on the way refuses, in bytes.
const longestURL = 4 << 10

// posting is a request that publishes, to be sent any number of times.
type posting struct {
	url         *url.URL
	contentType string
	key         string // of a single event; lines have their own
	body        []byte
}

// single returns what publishes one event: its data as the body and the rest as parameters, which takes any topic. If they
// are too long for a URL it is a line.
func (c *Client) single(e Event) (*posting, error) {
	params := url.Values{wire.ParamTopic: e.topics()}
	if e.Type != "" {
		params.Set(wire.ParamType, e.Type)
	}
	if e.End {
		params.Set(wire.ParamEnd, "1")
	}
	u, err := c.endpoint(params)
	if err != nil {
		return nil, err
	}
	if len(u.String()) > longestURL {
		return c.lines(e.appendLine(nil))
	}
	p := &posting{url: u, contentType: textType, key: e.Key, body: e.Data}
	if e.Binary {
		p.contentType = binaryType
	}
	return p, nil
}

// lines returns what publishes the events of an NDJSON body.
func (c *Client) lines(body []byte) (*posting, error) {
	u, err := c.endpoint(nil)
	return &posting{url: u, contentType: linesType, body: body}, err
}

// answer is what a hub says when it has stored: of one event ID and Duplicate, of lines the rest.
type answer struct {
	ID         string `json:"id"`
	Duplicate  bool   `json:"duplicate"`
	First      string `json:"first"`
	Last       string `json:"last"`
	Count      int    `json:"count"`
	Duplicates int    `json:"duplicates"`
}

// longestAnswer bounds what is read of an answer, in bytes.
const longestAnswer = 1 << 20

// post sends p once.
func (c *Client) post(ctx context.Context, p *posting) (a answer, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url.String(), bytes.NewReader(p.body))
	if err != nil {
		return a, err
	}
	req.Header.Set("Content-Type", p.contentType)
	req.Header.Set("Accept", "application/json")
	if p.key != "" {
		req.Header.Set(wire.HeaderIdempotencyKey, p.key)
	} else {
		// net/http may send it again at once when a connection that was idle turns out to be closed: every line has a key.
		// Without a value the field stays here.
		req.Header[wire.HeaderIdempotencyKey] = nil
	}
	if err := c.prepare(req); err != nil {
		return a, &unsendable{err}
	}
	client := *c.client(p.url)
	// A redirect would turn a POST into a GET, or hand the events to somebody else.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Do(req)
	if err != nil {
		return a, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, longestAnswer))
	switch {
	case resp.StatusCode != http.StatusOK: // also when the document is cut short
		return a, problemOf(resp.StatusCode, resp.Header, body)
	case err != nil:
		return a, err
	}
	if err := json.Unmarshal(body, &a); err != nil {
		return a, fmt.Errorf("%w: %w", ErrNoHub, err)
	}
	return a, nil
}

// unsendable is a request that no attempt could send.
type unsendable struct{ error }

func (e *unsendable) Unwrap() error { return e.error }
