package main

import (
	"net/http"
	"strings"
	"time"

	"github.com/tidings-sse/tidings/sse"
)

// says is all that the parrot says.
const says = "Server-Sent Events carry an answer while it is being thought. 🦜"

// parrot is a language model for tests and for computers without a network. It speaks both dialects.
type parrot struct {
	pause time.Duration // between words
	cut   bool          // stop in the middle, as a proxy with a time limit makes a model do
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

// speak says word by word and reports whether it came to the end.
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
