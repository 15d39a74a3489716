package main

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"
)

// gate stands before a hub that takes the place of another process, or gives its own to another one. Until the log is open it holds requests, so
// that they take longer instead of failing. Health checks pass at once.
type gate struct {
	held    chan struct{}   // its capacity is how many requests may be held
	opened  context.Context // done when the hub is open, has failed to open, or has taken too long
	ready   atomic.Bool     // one process takes the place of another, and clients need not go elsewhere: /readyz says so
	leaving atomic.Bool     // the hub ends its streams, and serves everything else
}

const (
	// holdTime is how long requests are held. Clients and proxies that give up sooner are rare.
	holdTime = 30 * time.Second

	// mostHeld is how many requests are held. A held request takes some 10 KB, and those of streams can wait elsewhere: the hub gives further ones a
	// time to come back.
	mostHeld = 10_000
)

// leave makes clients over HTTP/1.1 open new connections. ready says whether a new process accepts them.
func (g *gate) leave(ready bool) {
	g.ready.Store(ready)
	g.leaving.Store(true)
}

// meanwhile says what clients notice until the hub is open.
func (g *gate) meanwhile() string {
	if g.opened.Err() == nil {
		return "requests wait, at most " + holdTime.String()
	}
	return "the hub answers 503, and /healthz 200"
}

// pass waits until a request can be served. It reports false if it has answered the request. A nil gate is always open.
func (g *gate) pass(w http.ResponseWriter, r *http.Request) bool {
	if g == nil {
		return true
	}
	if g.leaving.Load() && r.ProtoMajor == 1 {
		w.Header().Set("Connection", "close") // an idle connection would be closed soon, maybe while its client sends the next request
	}
	open := g.opened.Err() != nil
	switch {
	case r.URL.Path == "/readyz" && g.ready.Load():
		return answerReady(w, r)
	case open || r.URL.Path == "/healthz" || r.URL.Path == "/readyz":
		return true
	}
	select {
	case g.held <- struct{}{}:
	default:
		return true
	}
	select {
	case <-g.opened.Done():
	case <-r.Context().Done():
	}
	<-g.held
	return true
}

// answerReady answers a load balancer as a hub that is ready does: a hub that is being replaced takes requests all the time.
func answerReady(w http.ResponseWriter, r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return true
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write([]byte(`{"ready":true}` + "\n")) // a client that has gone needs no answer
	return false
}
