// Command llm asks a language model and prints the answer token by token as it arrives. Without -url it asks a fake
// model in its own process, so that it runs without a key and a network:
//
//	go run ./llm
//	go run ./llm -api anthropic
//	go run ./llm -cut         # the model stops in the middle without an error
//	OPENAI_API_KEY=... go run ./llm -url https://api.openai.com -model gpt-5-mini "Why is the sky blue?"
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"iter"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/tidings-sse/tidings/sse"
)

// apis maps the values of -api to functions. Each function yields the chunks of an answer, and an error if the answer
// is incomplete.
var apis = map[string]func(context.Context, question) iter.Seq2[string, error]{
	"openai":    askOpenAI,
	"anthropic": askAnthropic,
}

// question is a question to a model at a URL.
type question struct {
	url, model, text string
}

func main() {
	log.SetFlags(0)
	var q question
	flag.StringVar(&q.url, "url", "", "base `URL` of the model's API; empty means a fake model in this process")
	flag.StringVar(&q.model, "model", "parrot", "name of the model")
	api := flag.String("api", "openai", "the model's `API`: openai or anthropic")
	cut := flag.Bool("cut", false, "make the fake model stop in the middle")
	flag.Parse()
	q.text = strings.Join(flag.Args(), " ")
	ask, ok := apis[*api]
	if !ok {
		log.Fatalf("unknown -api %q; use openai or anthropic", *api)
	}
	if q.url == "" {
		listener, err := net.Listen("tcp", "localhost:0")
		if err != nil {
			log.Fatal(err)
		}
		q.url = "http://" + listener.Addr().String()
		go func() { log.Fatal(http.Serve(listener, &parrot{pause: 50 * time.Millisecond, cut: *cut})) }()
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := show(ask(ctx, q)); err != nil {
		log.Fatal(err)
	}
}

// show prints an answer as it arrives. It returns an error if the answer is incomplete.
func show(answer iter.Seq2[string, error]) error {
	defer fmt.Println()
	for text, err := range answer {
		switch {
		case errors.Is(err, sse.ErrTruncated):
			return fmt.Errorf("the answer was cut off: %w", err)
		case err != nil:
			return err
		}
		fmt.Print(text)
	}
	return nil
}
