package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	publishers = 64
	recordSize = 200
)

// measurePublish counts acknowledged records a second, through three hubs and through JetStream alone, one after the other, and the processor
// time of each, which other programs on the machine disturb less.
func measurePublish(ctx context.Context, c *cluster, s *settings) error {
	sizes := []struct {
		name       string
		records    int
		hubs, bare *throughput
	}{{name: "single POSTs", records: 1}, {name: "batches of 100", records: 100}}
	for i := range sizes {
		one := &sizes[i]
		var err error
		if one.hubs, err = through(ctx, s.time, one.records, c.processorTime, func(i int) (publisher, error) {
			p, err := newClient(ctx, strings.TrimPrefix(c.hubs[i%len(c.hubs)].url, "http://"), one.records, uint64(i))
			if err != nil {
				return publisher{}, err
			}
			return publisher{p.publish, p.conn.Close}, nil
		}); err != nil {
			return err
		}
	}
	c.stop()
	bare, err := startBare()
	if err != nil {
		return err
	}
	defer bare.stop()
	for i := range sizes {
		one := &sizes[i]
		if one.bare, err = through(ctx, s.time, one.records, bare.processorTime, func(i int) (publisher, error) {
			return bare.open(ctx, i, one.records)
		}); err != nil {
			return err
		}
	}
	for i := range sizes {
		one := &sizes[i]
		row("acknowledged records/s, 64 publishers, "+one.name, fmt.Sprintf("%.0f", one.hubs.rate), fmt.Sprintf("bare JetStream R3 %.0f", one.bare.rate), fmt.Sprintf("%.2f", one.hubs.rate/one.bare.rate))
		row("processor seconds per million records, "+one.name, fmt.Sprintf("three hubs %.1f", one.hubs.cost), fmt.Sprintf("bare JetStream R3 %.1f", one.bare.cost), fmt.Sprintf("%.2f", one.hubs.cost/one.bare.cost))
	}
	return nil
}

// publisher publishes some records, and returns when they are acknowledged.
type publisher struct {
	publish func(context.Context) error
	close   func() error
}

// throughput is the result of many publishers.
type throughput struct {
	rate float64 // acknowledged records a second
	cost float64 // processor time, in seconds per million records or microseconds per record
}

// through runs publishers for a time, after a quarter of it without counting. processor returns the processor time so far.
func through(
	ctx context.Context, d time.Duration, records int, processor func() (time.Duration, error), open func(i int) (publisher, error),
) (*throughput, error) {
	var all []publisher
	defer func() {
		for _, one := range all {
			_ = one.close()
		}
	}()
	for i := range publishers {
		one, err := open(i)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	before, err := processor()
	if err != nil {
		return nil, err
	}
	var total, acknowledged atomic.Int64
	var failed atomic.Pointer[error]
	var running sync.WaitGroup
	warm, measured := time.Now().Add(d/4), time.Now().Add(d/4+d)
	for _, one := range all {
		running.Go(func() {
			for now := time.Now(); now.Before(measured); now = time.Now() {
				if err := one.publish(ctx); err != nil {
					failed.Store(&err)
					return
				}
				total.Add(int64(records))
				if now.After(warm) {
					acknowledged.Add(int64(records))
				}
			}
		})
	}
	running.Wait()
	if err := failed.Load(); err != nil {
		return nil, *err
	}
	after, err := processor()
	if err != nil {
		return nil, err
	}
	return &throughput{float64(acknowledged.Load()) / d.Seconds(), float64((after - before).Microseconds()) / float64(total.Load())}, nil
}

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
