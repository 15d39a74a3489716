package hub

import (
	"errors"
	"io"
	"net/http"
	"runtime/pprof"
	"runtime/trace"
	"time"

	"github.com/tidings-sse/tidings/internal/wire"
)

// The profiles of go tool pprof and go tool trace. The hub does not use package net/http/pprof, which would publish them on the default
// ServeMux of a program that embeds the hub.

// profileMost limits the duration of a CPU profile and of a trace.
const profileMost = 5 * time.Minute

// serveProfile answers with a profile of the process.
func serveProfile(h *Hub, w http.ResponseWriter, r *http.Request, name string) error {
	p, err := parseParams(h, r.URL.RawQuery)
	if err != nil {
		return err
	}
	debug, err := p.number(wire.ParamDebug, 0, 0, 2)
	if err != nil {
		return err
	}
	seconds, err := p.number(wire.ParamSeconds, 30, 1, int(profileMost/time.Second))
	if err != nil {
		return err
	}
	if err := p.done(); err != nil {
		return err
	}
	length := time.Duration(seconds) * time.Second
	switch name {
	case "profile":
		return h.recording(w, r, length, pprof.StartCPUProfile, pprof.StopCPUProfile)
	case "trace":
		return h.recording(w, r, length, trace.Start, trace.Stop)
	}
	of := pprof.Lookup(name)
	if of == nil {
		return NewProblem(http.StatusNotFound, wire.ProblemNotFound, "there is no profile %.40q; use one of profile, trace, heap, allocs, goroutine, block, mutex and threadcreate", name)
	}
	profileHeader(w.Header(), debug > 0)
	_ = of.WriteTo(w, debug) // an error means that the client has disconnected
	return nil
}

// recording answers with a CPU profile or a trace of some length. A process can make one of each at a time.
func (h *Hub) recording(w http.ResponseWriter, r *http.Request, length time.Duration, start func(io.Writer) error, stop func()) error {
	deadline := time.Now().Add(length + h.opts.WriteTimeout)
	if err := http.NewResponseController(w).SetWriteDeadline(deadline); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	profileHeader(w.Header(), false)
	if err := start(w); err != nil {
		p := NewProblem(http.StatusServiceUnavailable, wire.ProblemFull, "another recording is in progress (%v); try again later", err)
		p.RetryAfter = retryAfter
		return p
	}
	defer stop()
	select {
	case <-time.After(length):
	case <-r.Context().Done():
	case <-h.draining():
	}
	return nil
}

func profileHeader(header http.Header, text bool) {
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	if header.Set("Content-Type", "application/octet-stream"); text {
		header.Set("Content-Type", "text/plain; charset=utf-8")
	}
}
