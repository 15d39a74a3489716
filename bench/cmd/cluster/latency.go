package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/tidings-sse/tidings/sse"
)

const latencyEvery = 10 * time.Millisecond // 100 events a second

// measureLatency measures the time from a publisher at one hub to a subscriber at another, beside a publish to JetStream alone.
func measureLatency(ctx context.Context, c *cluster, s *settings) error {
	arrived := make(chan time.Duration, 1000)
	reading, stop := context.WithCancel(ctx)
	defer stop()
	opened := make(chan struct{})
	go follow(reading, c.hubs[1].url+"/events/latency", opened, func(e *sse.Event) {
		if sent, err := strconv.ParseInt(e.Data, 10, 64); err == nil {
			arrived <- time.Since(time.Unix(0, sent))
		}
	})
	<-opened
	var delays []time.Duration
	tick := time.NewTicker(latencyEvery)
	defer tick.Stop()
	for end := time.Now().Add(s.time); time.Now().Before(end); <-tick.C {
		text := strconv.FormatInt(time.Now().UnixNano(), 10)
		if err := post(ctx, http.DefaultClient, c.hubs[0].url+"/events/latency", "text/plain", []byte(text), ""); err != nil {
			return err
		}
		select {
		case d := <-arrived:
			delays = append(delays, d)
		case <-time.After(5 * time.Second):
			return fmt.Errorf("an event has not arrived after 5 s")
		}
	}
	c.stop()
	bare, err := startBare()
	if err != nil {
		return err
	}
	defer bare.stop()
	p, err := bare.open(ctx, 0, 1)
	if err != nil {
		return err
	}
	var alone []time.Duration
	for end := time.Now().Add(s.time); time.Now().Before(end); <-tick.C {
		began := time.Now()
		if err := p.publish(ctx); err != nil {
			return err
		}
		alone = append(alone, time.Since(began))
	}
	if err := p.close(); err != nil {
		return err
	}
	for _, q := range []float64{0.5, 0.99} {
		a, b := quantile(delays, q), quantile(alone, q)
		row(fmt.Sprintf("p%.0f from publisher at A to subscriber at B, 100 events/s", 100*q), fmt.Sprintf("%.2f ms", a), fmt.Sprintf("bare JetStream R3 publish %.2f ms", b), fmt.Sprintf("%+.2f ms", a-b))
	}
	return nil
}

// quantile returns a quantile in milliseconds.
func quantile(all []time.Duration, q float64) float64 {
	slices.Sort(all)
	return float64(all[int(q*float64(len(all)-1))].Microseconds()) / 1000
}

// follow reads a stream until ctx ends, and closes opened when the stream is open.
func follow(ctx context.Context, url string, opened chan struct{}, take func(*sse.Event)) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return
	}
	defer func() { _ = resp.Body.Close() }()
	d := sse.NewDecoder(resp.Body, nil)
	for first := true; d.Next(); first = false {
		if first {
			close(opened)
		}
		e := d.Event()
		take(&e)
	}
}

// measureMemory compares the memory of a hub of a cluster with that of a single one after the same load.
func measureMemory(ctx context.Context, c *cluster, s *settings) error {
	load := func(url string) error {
		body := bytes.Repeat(append(append([]byte(`{"data":"`), bytes.Repeat([]byte("x"), recordSize)...), "\"}\n"...), 1000)
		for range 100 {
			if err := post(ctx, http.DefaultClient, url+"/events/bench", "application/x-ndjson", body, ""); err != nil {
				return err
			}
		}
		return nil
	}
	if err := load(c.hubs[0].url); err != nil {
		return err
	}
	most := 0.0
	for _, h := range c.hubs {
		m, err := h.memory()
		if err != nil {
			return err
		}
		most = max(most, m)
	}
	c.stop()
	ports, err := freePorts(1)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "tidings-single-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	single := &hub{program: c.hubs[0].program, url: "http://localhost:" + ports[0], name: "single", log: os.Stderr}
	single.args = []string{"serve", "--addr", "localhost:" + ports[0], "--data", dir + "/data", "--log-requests", "never", "--log-level", "error"}
	if err := single.start(); err != nil {
		return err
	}
	defer single.end(os.Kill)
	if err := single.awaitReady(ctx); err != nil {
		return err
	}
	if err := load(single.url); err != nil {
		return err
	}
	alone, err := single.memory()
	if err != nil {
		return err
	}
	row("memory of a hub after 100,000 events of 200 bytes, the largest of three", fmt.Sprintf("%.0f MB", most), fmt.Sprintf("single hub %.0f MB", alone), fmt.Sprintf("%+.0f MB", most-alone))
	return nil
}
