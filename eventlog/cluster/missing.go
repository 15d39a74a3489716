package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"
)

// A broadcast begins with one of these letters.
const (
	broadcastByHub     = 'h' // by Log.Broadcast
	broadcastByCluster = 'c' // a JSON absence
	broadcastClock     = 't' // a JSON showing
	broadcastStanding  = 'g' // a JSON standing
)

// absence is the message of a hub that finds no order.
type absence struct {
	Hub     string `json:"hub"`
	Message uint64 `json:"message"` // its last one
}

// peers receives the broadcasts of other hubs.
type peers struct {
	mu       sync.Mutex // guards the following fields
	absent   map[string]seen
	standing map[string]stood // see hole.go
	stop     func()
}

type seen struct {
	message uint64
	at      time.Time
}

// listenToPeers begins to receive the broadcasts of other hubs.
func (l *Log) listenToPeers() error {
	l.peers.absent, l.peers.standing = map[string]seen{}, map[string]stood{}
	stop, err := l.order.Listen(func(data []byte) {
		if len(data) == 0 {
			return
		}
		switch kind, body := data[0], data[1:]; kind {
		case broadcastClock:
			l.clocks.learn(body, l.o.Name)
		case broadcastStanding:
			l.peers.hear(body, l.o.Name)
		case broadcastByCluster:
			var a absence
			if json.Unmarshal(body, &a) == nil {
				l.peers.learn(&a)
			}
		}
	})
	l.peers.stop = stop
	return err
}

// mostHubs limits what a hub remembers of others by their names. More hubs than this are a fault, or an attack on the broadcasts.
const mostHubs = 1000

// learn notes that a hub finds no order.
func (p *peers) learn(a *absence) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for hub, s := range p.absent {
		if time.Since(s.at) > absentWithin {
			delete(p.absent, hub)
		}
	}
	if _, ok := p.absent[a.Hub]; ok || len(p.absent) < mostHubs {
		p.absent[a.Hub] = seen{a.Message, time.Now()}
	}
}

func (p *peers) close() {
	if p.stop != nil {
		p.stop()
	}
}

const (
	absentEvery  = time.Second     // hubs tell each other that the order is missing
	absentWithin = 3 * time.Second // and count the hubs that have told them so within this time
)

// create makes the order if it does not exist. A majority of the hubs has to agree that it does not, and the one with the latest
// message makes it, so that as few records as possible are lost. missing is the error that says that it does not exist.
func (f *follower) create(ctx context.Context, missing error) error {
	if f.resets() {
		return f.make(ctx)
	}
	if f.o.Hubs == 0 {
		if f.place.gen != "" {
			return fmt.Errorf("%w; this hub has its records up to message %d and can make it again: reset the cluster", missing, f.place.seq)
		}
		return f.make(ctx)
	}
	f.show(func(v *view) { v.trouble = missing })
	data, err := json.Marshal(absence{f.o.Name, f.place.seq})
	if err != nil {
		return err
	}
	for turn := 0; ; turn++ {
		f.tell(ctx, append([]byte{broadcastByCluster}, data...))
		select {
		case <-time.After(absentEvery):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		switch _, err := f.bounds(ctx); {
		case err == nil:
			return errAgain // another hub was faster
		case !errors.Is(err, ErrMissing):
			return err
		}
		hubs, latest := f.absent()
		if turn >= 2 && hubs > f.o.Hubs/2 && latest || f.resets() {
			return f.make(ctx)
		}
		f.lonely(missing, hubs, turn)
	}
}

// lonely says why a hub does not make the order: most other hubs find one, or do not run.
func (f *follower) lonely(missing error, hubs, turn int) {
	if hubs > f.o.Hubs/2 {
		return
	}
	err := fmt.Errorf("%w; %d of %d hubs find none, and it is created again when a majority finds none. If the other hubs have it, check that this hub uses a stream of the same name", missing, hubs, f.o.Hubs)
	f.show(func(v *view) { v.trouble = err })
	if turn == lonelyTurn {
		f.log.Warn("the hub waits for the shared log", "cause", err)
	}
}

// lonelyTurn is the turn in which a hub logs that it waits for a majority. Hubs that start at the same time agree before that.
const lonelyTurn = 5

// tell broadcasts a message that the caller will repeat.
func (l *Log) tell(ctx context.Context, data []byte) {
	ctx, cancel := context.WithTimeout(ctx, absentEvery)
	defer cancel()
	_ = l.order.Broadcast(ctx, data)
}

// make makes the order, so that it continues after the mirror.
func (f *follower) make(ctx context.Context) error {
	f.log.Warn("this hub makes the shared log, which does not exist", "first message", f.place.seq+1)
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	if err := f.order.Create(ctx, f.place.seq+1); err != nil {
		return err
	}
	return errAgain
}

// absent returns the number of hubs that find no order, this one included, and whether this one has the latest message of them.
func (f *follower) absent() (hubs int, latest bool) {
	f.peers.mu.Lock()
	defer f.peers.mu.Unlock()
	hubs, latest = 1, true
	for name, h := range f.peers.absent {
		if time.Since(h.at) > absentWithin || name == f.o.Name {
			continue
		}
		hubs++
		if h.message > f.place.seq || h.message == f.place.seq && name < f.o.Name {
			latest = false
		}
	}
	return hubs, latest
}

// Broadcast implements [eventlog.Shared].
func (l *Log) Broadcast(ctx context.Context, data []byte) error {
	return l.order.Broadcast(ctx, append([]byte{broadcastByHub}, data...))
}

// Listen implements [eventlog.Shared].
func (l *Log) Listen(f func(data []byte)) (stop func(), err error) {
	return l.order.Listen(func(data []byte) {
		if after, ok := bytes.CutPrefix(data, []byte{broadcastByHub}); ok {
			f(after)
		}
	})
}
