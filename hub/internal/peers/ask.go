package peers

import (
	"context"
	"fmt"
	"io"
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
	HTTP *http.Client // nil: http.DefaultClient
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

// Open sends a GET to a hub, and returns the body of its answer. The caller closes it.
func (c *Client) Open(ctx context.Context, hub *Hub, target string) (io.ReadCloser, error) {
	if hub.URL == "" {
		return nil, fmt.Errorf("peers: hub %q announces no URL", hub.Name)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, hub.URL+target, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("peers: hub %q announces an invalid URL: %w", hub.Name, err)
	}
	Sign(r, c.Key, time.Now())
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
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
