package tidings_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/tidings-sse/tidings"
)

// A program distinguishes errors by its reaction to them.
func ExampleClient_Publish() {
	hub := &tidings.Client{URL: "https://hub.example", Token: os.Getenv("TIDINGS_TOKEN")}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	receipt, err := hub.Publish(ctx, tidings.Event{
		Topic: "orders/17", Type: "paid", Data: []byte(`{"amount":"9.90"}`),
		Key: "payment-4711", // so that the whole program can be run again
	})
	switch {
	case errors.Is(err, tidings.ErrEnded):
		log.Print("the order is closed already")
	case err != nil:
		log.Fatal(err)
	default:
		log.Print("stored at ", receipt.ID)
	}
}

// A file of events that is sent again after a crash, with the same key, stores only the missing events.
func ExampleClient_PublishStream() {
	file, err := os.Open("events.ndjson")
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()

	hub := new(tidings.Client)
	receipts, err := hub.PublishStream(context.Background(), tidings.ReadEvents(file), &tidings.PublishOptions{Key: "import-2026-11-22"})
	log.Printf("%d events are stored, %d of them were before", receipts.Count, receipts.Duplicates)
	if err != nil {
		log.Fatal(err)
	}
}

func ExampleClient_Subscribe() {
	hub := new(tidings.Client)
	for event, err := range hub.Subscribe(context.Background(), []string{"news", "weather/**"}, nil) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: %s\n", event.Topic, event.Data)
	}
}

// A program that keeps its position continues from there after a restart.
func ExampleClient_Subscribe_resume() {
	const file = "position"
	position, _ := os.ReadFile(file) // none the first time
	keep := func(position string) {
		if err := os.WriteFile(file, []byte(position), 0o600); err != nil {
			log.Fatal(err)
		}
	}

	hub := new(tidings.Client)
	events := hub.Subscribe(context.Background(), []string{"orders/**"}, &tidings.SubscribeOptions{
		After:        string(position),
		Since:        tidings.Earliest, // without a position
		OnCheckpoint: keep,
		OnGap: func(gap tidings.Gap) error {
			log.Printf("events after %s are gone (%s): loading all orders", gap.From, gap.Reason)
			return nil
		},
	})
	for event, err := range events {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: %s\n", event.Topic, event.Data)
		keep(event.ID)
	}
}
