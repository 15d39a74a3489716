package main

import (
	"bytes"
	"context"
	"encoding/json"
	"iter"
	"net/http"

	"github.com/tidings-sse/tidings/sse"
)

// post sends a question and returns the events of the answer. It does not retry an interrupted answer, because that
// would cost twice.
func post(ctx context.Context, url string, header map[string]string, body any) iter.Seq2[sse.Event, error] {
	return func(yield func(sse.Event, error) bool) {
		req, err := newRequest(ctx, url, header, body)
		if err != nil {
			yield(sse.Event{}, err)
			return
		}
		resp, err := http.DefaultClient.Do(req) //nolint:bodyclose // ReadResponse closes it
		if err != nil {
			yield(sse.Event{}, err)
			return
		}
		sse.ReadResponse(resp, nil)(yield)
	}
}

func newRequest(ctx context.Context, url string, header map[string]string, body any) (*http.Request, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "text/event-stream")
	for name, value := range header {
		req.Header.Set(name, value)
	}
	return req, nil
}
