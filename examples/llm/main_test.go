package main

import (
	"errors"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/sse"
)

// answer asks model with each API and passes the answer to check.
func answer(t *testing.T, model http.Handler, check func(t *testing.T, tokens []string, err error)) {
	for name, ask := range apis {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(model)
			defer server.Close()
			tokens, err := collect(ask(t.Context(), question{url: server.URL, model: "parrot", text: "hello"}))
			check(t, tokens, err)
		})
	}
}

func collect(answer iter.Seq2[string, error]) (tokens []string, err error) {
	for token, err := range answer {
		if err != nil {
			return tokens, err
		}
		tokens = append(tokens, token)
	}
	return tokens, nil
}

func TestCompleteAnswerArrivesWordByWord(t *testing.T) {
	answer(t, &parrot{}, func(t *testing.T, tokens []string, err error) {
		if err != nil || strings.Join(tokens, "") != says || len(tokens) != len(strings.Fields(says)) {
			t.Errorf("got %q, %v", tokens, err)
		}
	})
}

func TestInterruptedAnswerIsAnError(t *testing.T) {
	answer(t, &parrot{cut: true}, func(t *testing.T, tokens []string, err error) {
		if !errors.Is(err, sse.ErrTruncated) || len(tokens) != 5 {
			t.Errorf("got %q, %v", tokens, err)
		}
	})
}

func TestErrorOfTheModelIsReported(t *testing.T) {
	for _, event := range []sse.Event{
		{Type: "error", Data: `{"type":"error","error":{"type":"overloaded_error","message":"too many parrots"}}`},
		{Data: `{"error":{"message":"too many parrots"}}`},
		{Data: `{"id":1,"error":{"message":"too many parrots"},"choices":[]}`},
		{Data: `{"error":"too many parrots"}`},
	} {
		overloaded := sse.Handler(nil, func(s *sse.Stream) error { return s.Send(event) })
		answer(t, overloaded, func(t *testing.T, tokens []string, err error) {
			if err == nil || !strings.Contains(err.Error(), "too many parrots") {
				t.Errorf("got %q, %v", tokens, err)
			}
		})
	}
}

func TestRefusalOfTheModelIsReported(t *testing.T) {
	refuse := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no such key", http.StatusUnauthorized)
	})
	answer(t, refuse, func(t *testing.T, _ []string, err error) {
		if refusal, ok := errors.AsType[*sse.ResponseError](err); !ok || refusal.StatusCode != http.StatusUnauthorized {
			t.Errorf("got %v", err)
		}
	})
}
