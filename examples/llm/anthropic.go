package main

import (
	"context"
	"iter"
	"os"

	"github.com/tidings-sse/tidings/sse"
)

// delta is the part that this program reads of Anthropic's content_block_delta events, which carry the text.
type delta struct {
	Delta struct{ Text string }
}

// anthropic reads Anthropic's streams: the final event has type message_stop, and events without text are skipped.
var anthropic = sse.JSONOptions{
	Error: sse.ErrorMember,
	Done:  sse.OfType("message_stop"),
	Skip:  func(e sse.Event) bool { return !isDelta(e) },
}

var isDelta = sse.OfType("content_block_delta")

func askAnthropic(ctx context.Context, q question) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		events := post(ctx, q.url+"/v1/messages", map[string]string{
			"X-Api-Key":         os.Getenv("ANTHROPIC_API_KEY"),
			"Anthropic-Version": "2023-06-01",
		}, map[string]any{
			"model":      q.model,
			"stream":     true,
			"max_tokens": 1024,
			"messages":   []any{map[string]string{"role": "user", "content": q.text}},
		})
		for m, err := range sse.JSON[delta](events, &anthropic) {
			if err != nil {
				yield("", err)
				return
			}
			if !yield(m.Value.Delta.Text, nil) {
				return
			}
		}
	}
}
