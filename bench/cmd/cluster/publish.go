package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidings-sse/tidings/bench/clusters"
)

const (
	publishers = 64
	recordSize = 200
)

// measurePublish counts acknowledged records a second, through three hubs and through JetStream alone, one after the other.
func measurePublish(ctx context.Context, c *cluster, s *settings) error {
	type result struct{ single, batch float64 }
	var hubs, bare result
	var err error
	if hubs.single, err = through(ctx, s.time, 1, func(int) (func(context.Context) error, error) { return c.poster(1) }); err != nil {
		return err
	}
	if hubs.batch, err = through(ctx, s.time, 100, func(int) (func(context.Context) error, error) { return c.poster(100) }); err != nil {
		return err
	}
	c.stop()
	servers, stop, err := bareServers(ctx)
	if err != nil {
		return err
	}
	defer stop()
	for _, one := range []struct {
		records int
		into    *float64
	}{{1, &bare.single}, {100, &bare.batch}} {
		var open []clusters.Publisher
		if *one.into, err = through(ctx, s.time, one.records, func(i int) (func(context.Context) error, error) {
			p, err := clusters.Contestants[0].Open(ctx, servers, i%3)
			if err != nil {
				return nil, err
			}
			open = append(open, p)
			return func(ctx context.Context) error { return p.Publish(ctx, one.records) }, nil
		}); err != nil {
			return err
		}
		for _, p := range open {
			if err := p.Close(); err != nil {
				return err
			}
		}
	}
	row("acknowledged records/s, 64 publishers, single POSTs", fmt.Sprintf("%.0f", hubs.single), fmt.Sprintf("bare JetStream R3 %.0f", bare.single), fmt.Sprintf("%.2f", hubs.single/bare.single))
	row("the same, batches of 100", fmt.Sprintf("%.0f", hubs.batch), fmt.Sprintf("bare JetStream R3 %.0f", bare.batch), fmt.Sprintf("%.2f", hubs.batch/bare.batch))
	return nil
}

// bareServers starts three servers of JetStream without hubs, and returns a function that stops them and removes their data.
func bareServers(ctx context.Context) (_ *clusters.Servers, stop func(), err error) {
	dir, err := os.MkdirTemp("", "tidings-bare-")
	if err != nil {
		return nil, nil, err
	}
	servers, err := clusters.Start(ctx, dir)
	if err != nil {
		_ = os.RemoveAll(dir) // the first error says what failed
		return nil, nil, err
	}
	return servers, func() {
		_ = servers.Close()
		_ = os.RemoveAll(dir)
	}, nil
}

// through runs publishers for a time, and returns how many records a second were acknowledged.
func through(ctx context.Context, d time.Duration, records int, open func(i int) (func(context.Context) error, error)) (float64, error) {
	var publish []func(context.Context) error
	for i := range publishers {
		one, err := open(i)
		if err != nil {
			return 0, err
		}
		publish = append(publish, one)
	}
	var acknowledged atomic.Int64
	var failed atomic.Pointer[error]
	var running sync.WaitGroup
	warm, measured := time.Now().Add(d/4), time.Now().Add(d/4+d)
	for _, one := range publish {
		running.Go(func() {
			for now := time.Now(); now.Before(measured); now = time.Now() {
				if err := one(ctx); err != nil {
					failed.Store(&err)
					return
				}
				if now.After(warm) {
					acknowledged.Add(int64(records))
				}
			}
		})
	}
	running.Wait()
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	return float64(acknowledged.Load()) / d.Seconds(), nil
}

// poster returns a function that publishes records through the hubs in turn.
func (c *cluster) poster(records int) (func(context.Context) error, error) {
	kind, body := "text/plain", bytes.Repeat([]byte("x"), recordSize)
	if records > 1 {
		kind = "application/x-ndjson"
		body = bytes.Repeat(append(append([]byte(`{"data":"`), bytes.Repeat([]byte("x"), recordSize)...), "\"}\n"...), records)
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}}
	hub := c.hubs[int(next.Add(1))%len(c.hubs)]
	return func(ctx context.Context) error { return post(ctx, client, hub.url+"/events/bench", kind, body, "") }, nil
}

var next atomic.Int64

// post publishes, and returns an error unless the hub has acknowledged it.
func post(ctx context.Context, client *http.Client, url, kind string, body []byte, key string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", kind)
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	resp, err := client.Do(r)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %.300s", resp.Status, text)
	}
	return err
}
