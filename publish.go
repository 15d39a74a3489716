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

// Receipt is the answer of the hub for one event.
type Receipt struct {
	ID        string // the position of the event
	Duplicate bool   // it was already stored, by an earlier call with the same key or an earlier attempt of this call
	Key       string // its idempotency key, also if there is an error
}

// Publish publishes an event. It returns when the hub has stored it, as durably as the log is configured. Until ctx ends, it retries when the
// hub cannot be reached, when the connection breaks, and when the hub asks to come back later. The idempotency key prevents duplicates.
//
// The error is a [*Problem] if the hub refused the event. After any other error, and after the end of ctx, the event may be stored or not:
// publish it again with the Key of the Receipt to be certain.
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
		if a.ID == "" { // the event was sent as a line
			r.ID, r.Duplicate = a.Last, a.Duplicates > 0
		}
		return false, err
	})
	return r, err
}

// The content types of text, of bytes, and of many events.
const (
	textType   = "text/plain; charset=utf-8"
	binaryType = "application/octet-stream"
	linesType  = wire.MediaNDJSON
)

// longestURL is the length of a URL that every server and proxy accepts, in bytes.
const longestURL = 4 << 10

// posting is a request that publishes. It can be sent any number of times.
type posting struct {
	url         *url.URL
	contentType string
	key         string // of a single event; lines have their own
	body        []byte
}

// single returns the request for one event. The body is the data, and parameters carry the rest. If they are too long for a URL, the body is
// a line instead.
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

// lines returns the request for the events of an NDJSON body.
func (c *Client) lines(body []byte) (*posting, error) {
	u, err := c.endpoint(nil)
	return &posting{url: u, contentType: linesType, body: body}, err
}

// answer is the answer to a publisher: ID and Duplicate for one event, the other fields for lines.
type answer struct {
	ID         string `json:"id"`
	Duplicate  bool   `json:"duplicate"`
	First      string `json:"first"`
	Last       string `json:"last"`
	Count      int    `json:"count"`
	Duplicates int    `json:"duplicates"`
}

// longestAnswer is how much of an answer is read, in bytes.
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
		// The field without a value is not sent. It tells net/http that the request may be repeated at once if an idle
		// connection turns out to be closed: every line has a key.
		req.Header[wire.HeaderIdempotencyKey] = nil
	}
	if err := c.prepare(req); err != nil {
		return a, &unsendable{err}
	}
	client := *c.client(p.url)
	// A redirect could turn the POST into a GET, or send the events to another origin.
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

// unsendable is the error of a request that can never be sent.
type unsendable struct{ error }

func (e *unsendable) Unwrap() error { return e.error }
