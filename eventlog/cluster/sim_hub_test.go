package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/cluster"
	"github.com/tidings-sse/tidings/eventlog/cluster/ordertest"
)

// sim is a simulated cluster: three hubs on one order in memory, in virtual time.
type sim struct {
	*testing.T
	seed   uint64
	open   store
	order  *ordertest.Memory
	hubs   []*simHub
	rec    *ordertest.Recorder
	ret    *eventlog.Retention
	trace  *trace
	logger *slog.Logger
	faults ordertest.Faults
	began  time.Time
	known  int      // Options.Hubs
	atEnd  []func() // completes the history
	filled int
	sent   sync.WaitGroup // events that a scenario sends meanwhile

	settling atomic.Bool // the faults are over, and late messages arrive: clients take their time
	losses   losses
}

// simHub is a hub of a simulated cluster, over its processes.
type simHub struct {
	*sim
	name string
	rand *rand.Rand

	mu      sync.Mutex // guards the following fields
	mirror  *journal
	log     *cluster.Log // nil: the process is down
	handle  *ordertest.Handle
	started int
}

func newSim(t *testing.T, seed uint64, open store) *sim {
	s := &sim{T: t, seed: seed, open: open, order: ordertest.NewMemory(1 << 20), rec: ordertest.NewRecorder(), began: time.Now(), known: 3}
	s.trace = &trace{began: s.began}
	s.logger = s.trace.logger()
	s.order.Observe(func(m *cluster.Message) {
		s.trace.stored(m)
		s.losses.stored(m)
	})
	for i := range 3 {
		h := &simHub{sim: s, name: string(rune('A' + i)), rand: rand.New(rand.NewPCG(seed, uint64(100+i)))}
		h.mirror = newJournal(t, open, seed+uint64(i), nil)
		s.hubs = append(s.hubs, h)
	}
	return s
}

// start begins a process of the hub, if there is none.
func (h *simHub) start() *cluster.Log {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.log != nil {
		return h.log
	}
	for h.log == nil {
		h.mirror = h.mirror.reopen()
		h.handle = h.order.Handle()
		h.started++
		h.handle.SetFaults(h.seed+uint64(h.started)*10, h.faults)
		log, err := cluster.Open(h.mirror, h.handle, &cluster.Options{
			Name: h.name, Retention: h.ret, Hubs: h.known, Snapshot: h.snapshot, Logger: h.logger.With("hub", h.name),
		})
		if err != nil && !h.mirror.isDead() { // otherwise the process has ended while it started, and is started again
			h.Fatalf("hub %s does not start: %v", h.name, err)
		}
		h.log = log
	}
	return h.log
}

// running returns the log of the process, nil if there is none.
func (h *simHub) running() *cluster.Log {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.log
}

// kill ends the process without any preparation. If lose is above 0, the disk lacks the last changes.
func (h *simHub) kill(lose int) {
	h.mu.Lock()
	log := h.log
	h.log = nil
	h.mirror.die()
	h.mu.Unlock()
	if log == nil {
		return
	}
	_ = log.Close() // the kill causes its errors
	h.mu.Lock()
	defer h.mu.Unlock()
	if lose > 0 {
		all := h.mirror.history()
		h.mirror = newJournal(h.T, h.open, h.rand.Uint64(), all[:max(0, len(all)-lose)])
		h.mirror.die() // until it is opened again
	}
}

// wipe ends the process and removes its mirror.
func (h *simHub) wipe() {
	h.kill(0)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mirror = newJournal(h.T, h.open, h.rand.Uint64(), nil)
}

// stop ends the process in an orderly way.
func (h *simHub) stop() {
	h.mu.Lock()
	log := h.log
	h.log = nil
	h.mu.Unlock()
	if log != nil {
		if err := log.Close(); err != nil {
			h.Errorf("hub %s does not close: %v", h.name, err)
		}
	}
}

// snapshot is [cluster.Options.Snapshot], with the mirrors of the other hubs.
func (h *simHub) snapshot(_ context.Context, after uint64) (func() (eventlog.Mirror, error), error) {
	var best *simHub
	latest, silent := after, 0
	for _, other := range h.hubs {
		if other == h {
			continue
		}
		log := other.running()
		if log == nil {
			silent++
			continue
		}
		d := log.Details()
		if !d.Joined { // in production a hub announces itself only after Join
			silent++
			continue
		}
		if errors.Is(log.Snapshot(context.Background(), ""), eventlog.ErrUnavailable) {
			silent++ // it gives no copy now
		} else if d.Message > latest {
			best, latest = other, d.Message
		}
	}
	switch {
	case best == nil && silent > 0:
		return nil, fmt.Errorf("%d hubs do not answer", silent)
	case best == nil:
		return nil, cluster.ErrNoSnapshot
	}
	best.mu.Lock()
	changes := best.mirror.history()
	best.mu.Unlock()
	return func() (eventlog.Mirror, error) {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.mirror.isDead() {
			return nil, errDead
		}
		h.mirror = newJournal(h.T, h.open, h.rand.Uint64(), changes)
		return h.mirror, nil
	}, nil
}

// heal ends all faults, and waits until all hubs are ready and have the same messages.
func (s *sim) heal() {
	s.Helper()
	for _, h := range s.hubs {
		if log := h.running(); log != nil && h.mirrorDead() {
			h.kill(0)
		}
		h.start()
		h.mu.Lock()
		h.mirror.spare()
		handle := h.handle
		h.mu.Unlock()
		handle.SetFaults(0, ordertest.Faults{})
		handle.Silence(false, false)
		handle.Cut()
	}
	s.order.Settle()
	for range 300 {
		time.Sleep(time.Second)
		if s.settled() {
			return
		}
	}
	for _, h := range s.hubs {
		s.Errorf("hub %s after five minutes: %+v", h.name, h.running().Details())
	}
	s.Fatal("the hubs do not agree")
}

func (h *simHub) mirrorDead() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.mirror.isDead()
}

// agree makes the hubs compare their decisions up to the end.
func (s *sim) agree() {
	s.Helper()
	var end []eventlog.Receipt
	for tries := 1; ; tries++ { // a hub whose messages have been lost in a hole sends nothing else until it gives them up
		var err error
		end, err = s.hubs[0].running().Append(s.Context(), []eventlog.Record{{Topics: []string{"$sim"}, Data: "end"}})
		if err == nil {
			break
		} else if !errors.As(err, new(*eventlog.UnavailableError)) || tries > 60 {
			s.Fatal(err)
		}
		time.Sleep(time.Second)
	}
	last := end[0].Seq / cluster.FirstOf(1) // the order may have an audit after it, which no other audit follows
	for range 600 {
		agreed, audited := 0, false
		for _, h := range s.hubs {
			d := h.running().Details()
			audited = audited || d.Audited >= last
			if d.Digest == s.hubs[0].running().Details().Digest && !d.Disputed && !d.Diverged {
				agreed++
			}
		}
		if agreed == len(s.hubs) && audited {
			s.heal()
			return
		}
		time.Sleep(time.Second)
	}
	for _, h := range s.hubs {
		s.Errorf("hub %s has not agreed up to %d within ten minutes: %+v", h.name, last, h.running().Details())
	}
}

// settled reports whether all hubs are ready and at the end of the order.
func (s *sim) settled() bool {
	for _, h := range s.hubs {
		log := h.running()
		if log.Ready(s.Context()) != nil || log.Details().Message != s.order.Last() || log.Head().Gen != s.hubs[0].running().Head().Gen {
			return false
		}
	}
	return true
}

// outcome returns how the history calls the end of an Append.
func outcome(err error) ordertest.Outcome {
	switch {
	case err == nil:
		return ordertest.Stored
	case errors.Is(err, eventlog.ErrEnded):
		return ordertest.Ended
	case errors.Is(err, eventlog.ErrKeyReused):
		return ordertest.Reused
	case errors.Is(err, eventlog.ErrUnavailable):
		return ordertest.Refused
	}
	return ordertest.Unknown
}
