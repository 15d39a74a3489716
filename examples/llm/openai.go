package main

import (
	"context"
	"iter"
	"os"

	"github.com/tidings-sse/tidings/sse"
)

// chunk is the part that this program reads of OpenAI's events. Many other model servers send the same format.
type chunk struct {
	Choices []struct {
		Delta struct{ Content string }
	}
}

// openAI reads OpenAI's streams: the data of the final event is [DONE], and a chunk with a member "error" is an error.
var openAI = sse.JSONOptions{
	Error: sse.ErrorMember,
	Done:  sse.WithData("[DONE]"),
}

func askOpenAI(ctx context.Context, q question) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		events := post(ctx, q.url+"/v1/chat/completions", map[string]string{
			"Authorization": "Bearer " + os.Getenv("OPENAI_API_KEY"),
		}, map[string]any{
			"model":    q.model,
			"stream":   true,
			"messages": []any{map[string]string{"role": "user", "content": q.text}},
		})
		for m, err := range sse.JSON[chunk](events, &openAI) {
			if err != nil {
				yield("", err)
				return
			}
			for _, c := range m.Value.Choices {
				if !yield(c.Delta.Content, nil) {
					return
				}
			}
		}
	}
}
