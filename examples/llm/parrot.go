package main

import (
	"net/http"
	"strings"
	"time"

	"github.com/tidings-sse/tidings/sse"
)

// says is the parrot's answer to every question.
const says = "Server-Sent Events carry an answer while it is being thought. 🦜"

// parrot is a fake language model with the APIs of OpenAI and Anthropic.
type parrot struct {
	pause time.Duration // between words
	cut   bool          // end the stream in the middle, as a proxy with a timeout does
}

func (p *parrot) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method + " " + r.URL.Path {
	case "POST /v1/chat/completions":
		sse.Handler(nil, p.openAI).ServeHTTP(w, r)
	case "POST /v1/messages":
		sse.Handler(nil, p.anthropic).ServeHTTP(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (p *parrot) openAI(s *sse.Stream) error {
	whole, err := p.speak(func(word string) error {
		return s.SendJSON("", chunkOf(word))
	})
	if err != nil || !whole {
		return err
	}
	return s.Send(sse.Event{Data: "[DONE]"})
}

func (p *parrot) anthropic(s *sse.Stream) error {
	if err := s.SendJSON("message_start", map[string]string{"type": "message_start"}); err != nil {
		return err
	}
	whole, err := p.speak(func(word string) error {
		return s.SendJSON("content_block_delta", deltaOf(word))
	})
	if err != nil || !whole {
		return err
	}
	return s.SendJSON("message_stop", map[string]string{"type": "message_stop"})
}

// speak calls say with each word of the answer, and reports whether it reached the end.
func (p *parrot) speak(say func(word string) error) (whole bool, err error) {
	for i, word := range strings.SplitAfter(says, " ") {
		if p.cut && i == 5 {
			return false, nil
		}
		if err := say(word); err != nil {
			return false, err
		}
		time.Sleep(p.pause)
	}
	return true, nil
}

func chunkOf(word string) any {
	return map[string]any{"choices": []any{map[string]any{"index": 0, "delta": map[string]string{"content": word}}}}
}

func deltaOf(word string) any {
	return map[string]any{"type": "content_block_delta", "index": 0, "delta": map[string]string{"type": "text_delta", "text": word}}
}
