package main

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const publishEvery = 100 * time.Millisecond

// publish publishes 1, 2, 3, … until ctx ends. It repeats each number until a hub has acknowledged it. The idempotency key makes sure that a
// number is stored once, also if a hub died after it had stored the number, and another hub gets the repetition.
func publish(ctx context.Context, target string) {
	client := &http.Client{Timeout: 5 * time.Second}
	run := strconv.FormatInt(time.Now().UnixNano(), 36)
	for n := 1; ctx.Err() == nil; n++ {
		text := strconv.Itoa(n)
		for !post(ctx, client, target, text, run+"-"+text) && ctx.Err() == nil {
			time.Sleep(publishEvery)
		}
		time.Sleep(publishEvery)
	}
}

// post publishes a number, and reports whether a hub has acknowledged it.
func post(ctx context.Context, client *http.Client, target, text, key string) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(text))
	if err != nil {
		panic(err)
	}
	r.Header.Set("Content-Type", "text/plain")
	r.Header.Set("Idempotency-Key", key)
	resp, err := client.Do(r)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}
