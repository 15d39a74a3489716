package peers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	askTimeout = 500 * time.Millisecond // for the answer of a hub to a question
	maxAnswer  = 32 << 20
)

// Client sends requests to other hubs. It is safe for concurrent use.
type Client struct {
	Key  []byte
	HTTP *http.Client // nil: a client that follows no redirects and uses no proxy
}

// plainClient follows no redirects: no hub sends one, and another server must not choose where signed requests go. It uses no proxy, whatever
// the environment says: hubs reach each other directly.
var plainClient = &http.Client{
	Transport: &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSHandshakeTimeout: 10 * time.Second,
		IdleConnTimeout:     90 * time.Second, // as in http.DefaultTransport
		ForceAttemptHTTP2:   true,             // a transport with a dialer would use HTTP/1.1 only
	},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// Answer is the answer of a hub.
type Answer struct {
	Hub  Hub
	Body []byte
	Err  error
}

// Ask sends a GET to all hubs, and returns their answers in the same order. A hub that does not answer within 500 ms has an error.
func (c *Client) Ask(ctx context.Context, hubs []Hub, target string) []Answer {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	answers := make([]Answer, len(hubs))
	var all sync.WaitGroup
	for i, hub := range hubs {
		all.Go(func() {
			answers[i].Hub = hub
			answers[i].Body, answers[i].Err = c.ask(ctx, &hub, target)
		})
	}
	all.Wait()
	return answers
}

func (c *Client) ask(ctx context.Context, hub *Hub, target string) ([]byte, error) {
	body, err := c.Open(ctx, hub, target)
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }() // it was read to its end, or failed
	b, err := io.ReadAll(io.LimitReader(body, maxAnswer+1))
	if err == nil && len(b) > maxAnswer {
		err = fmt.Errorf("peers: the answer of hub %q is larger than %d bytes", hub.Name, maxAnswer)
	}
	return b, err
}

// silence is how long a hub may send nothing before Open or a read of its body fails. Before the first byte of a snapshot a hub writes its
// log to the disk.
const silence = 30 * time.Second

// Open sends a GET to a hub, and returns the body of its answer. The caller closes it. Open and reads of the body fail if the hub is silent
// for 30 seconds.
func (c *Client) Open(ctx context.Context, hub *Hub, target string) (io.ReadCloser, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	watch := time.AfterFunc(silence, func() { cancel(&silentError{hub.Name}) })
	body, err := c.open(ctx, hub, target)
	watch.Stop()
	if err != nil {
		err = reason(ctx, err)
		cancel(nil)
		return nil, err
	}
	return &watchedBody{body, ctx, cancel, watch}, nil
}

// silentError is the error of a hub that sends nothing.
type silentError struct{ hub string }

func (e *silentError) Error() string {
	return fmt.Sprintf("peers: hub %q was silent for %v", e.hub, silence)
}

// reason returns why Open has canceled a context, or the error that this caused.
func reason(ctx context.Context, err error) error {
	if silent, ok := errors.AsType[*silentError](context.Cause(ctx)); ok {
		return silent
	}
	return err
}

// watchedBody is a body that fails when the hub is silent.
type watchedBody struct {
	io.ReadCloser
	ctx    context.Context
	cancel context.CancelCauseFunc
	watch  *time.Timer // ends the request
}

// Read implements [io.Reader].
func (b *watchedBody) Read(p []byte) (int, error) {
	b.watch.Reset(silence)
	n, err := b.ReadCloser.Read(p)
	b.watch.Stop() // the caller may take its time
	if err != nil && !errors.Is(err, io.EOF) {
		err = reason(b.ctx, err)
	}
	return n, err
}

// Close implements [io.Closer].
func (b *watchedBody) Close() error {
	b.watch.Stop()
	b.cancel(nil)
	return b.ReadCloser.Close()
}

func (c *Client) open(ctx context.Context, hub *Hub, target string) (io.ReadCloser, error) {
	if hub.URL == "" {
		return nil, fmt.Errorf("peers: hub %q announces no URL", hub.Name)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, hub.URL+target, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("peers: hub %q announces an invalid URL: %w", hub.Name, err)
	}
	Sign(r, c.Key, hub, time.Now())
	client := c.HTTP
	if client == nil {
		client = plainClient
	}
	resp, err := client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("peers: asking hub %q: %w", hub.Name, err)
	}
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10)) // what can be read of it explains the status
		_ = resp.Body.Close()
		return nil, fmt.Errorf("peers: hub %q answers %s: %.200q", hub.Name, resp.Status, text)
	}
	return resp.Body, nil
}
