package cluster_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/cluster"
	"github.com/tidings-sse/tidings/eventlog/cluster/ordertest"
)

// TestHubsAgreeWhateverBreaks runs a cluster of three hubs under publishers, subscribers and faults. Each seed is one run. At its end the three
// mirrors have to be equal, and the history of all clients has to keep every promise.
//
// TIDINGS_SIMULATIONS is the number of runs, TIDINGS_FIRST the seed of the first. TIDINGS_SEED repeats one of them, and writes its history to the
// file TIDINGS_HISTORY.
func TestHubsAgreeWhateverBreaks(t *testing.T) {
	simulations(t, "TIDINGS_SIMULATIONS", inMemoryRuns, inMemory)
}

// TestHubsOnDiskAgreeWhateverBreaks is the same with mirrors on disk. TIDINGS_DISK_SIMULATIONS is the number of runs.
func TestHubsOnDiskAgreeWhateverBreaks(t *testing.T) {
	simulations(t, "TIDINGS_DISK_SIMULATIONS", onDiskRuns, onDisk)
}

func simulations(t *testing.T, variable string, standard uint64, open store) {
	runs := number(variable, standard)
	if seed := number("TIDINGS_SEED", 0); seed > 0 {
		simulate(t, seed, open)
		return
	}
	const shards = 4
	first := number("TIDINGS_FIRST", 1)
	var longest atomic.Int64
	t.Cleanup(func() {
		t.Logf("%d runs from seed %d on; the longest took %v of virtual time", runs, first, time.Duration(longest.Load()))
	})
	for shard := range uint64(shards) {
		t.Run(fmt.Sprint(shard), func(t *testing.T) {
			t.Parallel()
			for seed := first + shard; seed < first+runs && !t.Failed(); seed += shards {
				for took := int64(simulate(t, seed, open)); ; {
					if old := longest.Load(); took <= old || longest.CompareAndSwap(old, took) {
						break
					}
				}
			}
		})
	}
}

func number(name string, standard uint64) uint64 {
	if n, err := strconv.ParseUint(os.Getenv(name), 10, 64); err == nil {
		return n
	}
	return standard
}

// plan describes a run; it depends on the seed alone.
type plan struct {
	faults  ordertest.Faults
	breaks  []func(*sim, *rand.Rand) // the faults
	ret     *eventlog.Retention
	lossy   bool // the order loses messages, or is replaced
	missing bool // all hubs may lack records
}

func planOf(r *rand.Rand) plan {
	p := plan{breaks: []func(*sim, *rand.Rand){restart, cut}}
	for _, b := range []func(*sim, *rand.Rand){crash, crash, silence, silence} {
		if r.IntN(2) == 0 {
			p.breaks = append(p.breaks, b)
		}
	}
	chance := func(most float64) float64 {
		if r.IntN(2) == 0 {
			return 0
		}
		return r.Float64() * most
	}
	p.faults = ordertest.Faults{
		Delay: time.Duration(r.IntN(50)) * time.Millisecond, Refused: chance(0.3), AnswerLost: chance(0.3), Late: chance(0.2), Cut: chance(0.02), SlowFollow: chance(0.1), Damaged: chance(0.05),
	}
	if r.IntN(4) == 0 { // the order's clock; then it cannot store a message twice as well
		p.breaks = append(p.breaks, moveClock)
	} else {
		p.faults.Twice = chance(0.1)
	}
	switch r.IntN(4) {
	case 0:
		p.lossy = true
		p.breaks = append(p.breaks, lose, lose, lose)
	case 1:
		p.lossy, p.missing = true, true
		p.breaks = append(p.breaks, recreate, trim)
	case 2:
		p.missing = true
		p.breaks = append(p.breaks, trim, hole, miss, restartAll)
	}
	p.ret = &eventlog.Retention{}
	if !p.lossy && r.IntN(2) == 0 { // few keys are known, so that mirrors have to forget the same ones
		p.ret.Keys = 10
	}
	return p
}

// simulate is one run. It returns how long the run took, in virtual time.
func simulate(t *testing.T, seed uint64, open store) (took time.Duration) {
	var duels *duels
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		duels = simulated(t, seed, open)
		took = time.Since(began)
	})
	if duels != nil {
		duels.judge(t)
	}
	return took
}

// simulated is a run in the bubble. It returns the duels of the run, nil if it has none.
func simulated(t *testing.T, seed uint64, open store) (d *duels) {
	var s *sim
	defer func() {
		s.trace.print(t)
		if t.Failed() {
			t.Logf("repeat with TIDINGS_SEED=%d go test -run '^%s$' -v ./eventlog/cluster", seed, strings.SplitN(t.Name(), "/", 2)[0])
		}
	}()
	r := rand.New(rand.NewPCG(seed, 0))
	p := planOf(r)
	s = newSim(t, seed, open)
	s.ret, s.faults = p.ret, p.faults
	if p.missing {
		s.badStart(rand.New(rand.NewPCG(seed, 400)))
	}
	for _, h := range s.hubs {
		h.start()
	}
	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	defer func() {
		cancel()
		clients.Wait()
		for _, h := range s.hubs {
			h.kill(0)
		}
		s.order.Settle()
	}()
	for i := range 4 {
		c := &publisher{sim: s, name: fmt.Sprintf("p%d", i), rand: rand.New(rand.NewPCG(seed, uint64(200+i)))}
		clients.Go(func() { c.run(ctx) })
	}
	for i, topics := range [][]string{nil, {"a/1"}, {"a/*", "c"}, {"b/**"}} {
		c := &subscriber{sim: s, name: fmt.Sprintf("s%d", i), rand: rand.New(rand.NewPCG(seed, uint64(300+i))), topics: topics}
		clients.Go(func() { c.run(ctx) })
	}
	if !p.lossy && !p.missing && p.ret.Keys == 0 {
		d = newDuels(s)
		clients.Go(func() { d.run(ctx) })
	}
	for range 3 + r.IntN(12) {
		time.Sleep(time.Duration(r.IntN(8000)) * time.Millisecond)
		s.revive()
		p.breaks[r.IntN(len(p.breaks))](s, r)
	}
	time.Sleep(10 * time.Second)
	s.settling.Store(true) // a copy that the order stores a second time takes minutes
	s.heal()
	time.Sleep(10 * time.Second) // for the subscribers
	cancel()
	clients.Wait()
	s.heal() // requests may have been under way
	s.agree()
	if !p.lossy { // otherwise a hub may decide before it knows that the order has lost messages
		s.trace.agreed(t)
	}
	s.compare(p)
	return d
}

// badStart lets some orders begin with damaged messages, and ends hubs while they pass over those and begin the first generation.
func (s *sim) badStart(r *rand.Rand) {
	if r.IntN(3) > 0 {
		return
	}
	s.damagedStart(1, 1+r.IntN(3))
	if r.IntN(2) == 0 {
		s.order.Trim(s.order.Last())
	}
	for _, h := range s.hubs {
		if r.IntN(2) == 0 {
			h.mirror.ending = &ending{changes: r.IntN(firstSteps), before: r.IntN(2) == 0}
		}
	}
}

// revive starts hubs whose process has ended by itself.
func (s *sim) revive() {
	for _, h := range s.hubs {
		if h.running() != nil && h.mirrorDead() {
			h.kill(0)
			h.start()
		}
	}
}

func (s *sim) fault(format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	s.rec.Add(ordertest.Line{Kind: ordertest.Fault, Reason: what})
	s.trace.add(func() string { return "FAULT " + what })
}

func (s *sim) any(r *rand.Rand) *simHub { return s.hubs[r.IntN(len(s.hubs))] }

func restart(s *sim, r *rand.Rand) {
	h := s.any(r)
	s.fault("kill %s", h.name)
	if r.IntN(3) == 0 {
		h.stop()
	} else {
		lose := r.IntN(2) * r.IntN(20) * s.losses.known(h)
		h.mu.Lock()
		lose = min(lose, h.mirror.unsynced())
		h.mu.Unlock()
		h.kill(lose)
	}
	time.Sleep(time.Duration(r.IntN(10_000)) * time.Millisecond)
	h.start()
}

// restartAll restarts all hubs, one of which has been down for longer. Meanwhile the order has dropped messages, and ends with damaged ones.
func restartAll(s *sim, r *rand.Rand) {
	s.fault("restart all")
	for _, i := range r.Perm(len(s.hubs)) {
		s.hubs[i].kill(0)
		time.Sleep(time.Duration(r.IntN(3000)) * time.Millisecond)
	}
	for range r.IntN(3) * int(min(s.order.Last(), 1)) { // none if the order does not exist yet
		var id cluster.ID
		binary.BigEndian.PutUint64(id[:], r.Uint64())
		if err := s.order.Handle().Publish(s.Context(), "", id, []byte("no frame")); err != nil {
			s.Fatal(err)
		}
	}
	trim(s, r)
	for _, i := range r.Perm(len(s.hubs)) {
		s.hubs[i].start()
		time.Sleep(time.Duration(r.IntN(1000)) * time.Millisecond)
	}
}

// crash ends the process of a hub at one of its next steps.
func crash(s *sim, r *rand.Rand) {
	h := s.any(r)
	s.fault("crash %s soon", h.name)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mirror.mu.Lock()
	defer h.mirror.mu.Unlock()
	h.mirror.deadly = 0.2
}

func cut(s *sim, r *rand.Rand) {
	h := s.any(r)
	s.fault("cut %s", h.name)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.handle.Cut()
}

func silence(s *sim, r *rand.Rand) {
	h := s.any(r)
	to, from := r.IntN(2) == 0, r.IntN(2) == 0
	s.fault("silence %s: to the order %v, from it %v", h.name, to, from)
	h.mu.Lock()
	handle := h.handle
	h.mu.Unlock()
	handle.Silence(to, from)
	time.Sleep(time.Duration(r.IntN(40_000)) * time.Millisecond)
	handle.Silence(false, false)
}

func lose(s *sim, r *rand.Rand) {
	n := min(1+r.IntN(6), s.losses.most(s.order.Last()))
	s.fault("lose %d of %d", n, s.order.Last())
	newIdentity := r.IntN(2) == 0
	s.order.Lose(n, newIdentity)
	s.losses.add(newIdentity)
	s.lost(s.order.Last())
}

// lost records that the messages above one number were lost.
func (s *sim) lost(above uint64) {
	s.rec.Add(ordertest.Line{Kind: ordertest.Lost, After: cluster.FirstOf(above+1) - 1})
}

// recreate deletes the order, once no majority of hubs without records can begin another cluster: a hub with records would wait for an administrator.
func recreate(s *sim, _ *rand.Rand) {
	for _, h := range s.hubs {
		h.mu.Lock()
		state, err := h.mirror.State(s.Context())
		h.mu.Unlock()
		if err != nil || !cluster.HasGeneration(state) {
			return
		}
	}
	s.fault("delete the order at %d", s.order.Last())
	made := len(s.order.Created())
	at := s.rec.Now()
	s.order.Delete()
	s.atEnd = append(s.atEnd, func() { // only then it is known after which message the next order continues
		if all := s.order.Created(); made > 0 && made < len(all) {
			s.rec.Add(ordertest.Line{Kind: ordertest.Lost, Start: at, After: cluster.FirstOf(all[made]) - 1})
		}
	})
}

func trim(s *sim, r *rand.Rand) {
	last := s.order.Last()
	s.fault("trim of %d", last)
	s.order.Trim(last - min(last, uint64(r.IntN(20))))
}

func hole(s *sim, r *rand.Rand) {
	last := s.order.Last()
	from := last - min(last, uint64(r.IntN(10)))
	s.fault("hole from %d of %d", from, last)
	s.order.Hole(from, from+uint64(r.IntN(4)))
}

// miss drops or damages messages that some hubs have not received yet.
func miss(s *sim, r *rand.Rand) {
	var deaf []*ordertest.Handle
	for _, h := range s.hubs {
		h.mu.Lock()
		if r.IntN(4) > 0 {
			h.handle.Silence(false, true)
			deaf = append(deaf, h.handle)
		}
		h.mu.Unlock()
	}
	time.Sleep(time.Duration(r.IntN(4000)) * time.Millisecond)
	for range 1 + r.IntN(3) {
		if r.IntN(2) == 0 {
			hole(s, r)
			continue
		}
		last := s.order.Last()
		seq := last - min(last, uint64(r.IntN(8)))
		s.fault("damage %d of %d", seq, last)
		s.order.Damage(seq)
	}
	for _, handle := range deaf {
		handle.Cut()
		time.Sleep(time.Duration(r.IntN(1000)) * time.Millisecond)
		handle.Silence(false, false)
	}
}

func moveClock(s *sim, r *rand.Rand) {
	d := time.Duration(r.IntN(7200)-3600) * time.Second
	s.fault("clock %v", d)
	s.order.MoveClock(d)
}

// compare compares the mirrors and checks the history.
func (s *sim) compare(p plan) {
	for _, f := range s.atEnd {
		f()
	}
	for _, h := range s.hubs {
		s.dump(h)
	}
	expect := ordertest.Expect{Lossless: !p.lossy && !p.missing}
	if p.ret.Keys > 0 {
		expect.KeyAge = -1 // keys are forgotten by number
	}
	if path := os.Getenv("TIDINGS_HISTORY"); path != "" {
		f, err := os.Create(path)
		if err == nil {
			_, err = s.rec.History().WriteTo(f)
		}
		if err != nil || f.Close() != nil {
			s.Fatal(err)
		}
	}
	report := ordertest.Check(s.rec.History(), expect)
	for _, v := range report.Violations {
		s.Error(v)
	}
	s.compareDecisions()
}

// dump records what a hub has at the end.
func (s *sim) dump(h *simHub) {
	log := h.running()
	d := log.Details()
	s.rec.Add(ordertest.Line{Kind: ordertest.Dump, Hub: h.name, Lacks: log.Bounds().Trimmed, Digest: d.Digest})
	q := eventlog.Query{Selector: eventlog.Everything(), After: eventlog.Position{Gen: log.Head().Gen}}
	for q.After.Seq < log.Head().Seq {
		a, err := log.Read(s.Context(), q)
		if gap, ok := errors.AsType[*eventlog.GapError](err); ok {
			q = gap.Partial(q)
			continue
		} else if err != nil {
			s.Fatal(err)
		}
		for i := range a.Records {
			r := &a.Records[i]
			s.rec.Add(ordertest.Line{Kind: ordertest.Record, Hub: h.name, ID: eventlog.Position{Gen: d.Generation, Seq: r.Seq}.String(), Event: sentOf(r), Time: r.Time})
			if r.Type == cluster.BeginType {
				var b cluster.Begin
				if err := json.Unmarshal([]byte(r.Data), &b); err != nil {
					s.Fatal(err)
				}
				s.rec.Add(ordertest.Line{Kind: ordertest.Begin, Gen: b.Gen, Prev: b.Prev, Start: s.order.Stored(r.Seq / cluster.FirstOf(1)).Sub(s.began)})
			}
		}
		q.After = a.Complete
	}
}

// compareDecisions gives every mirror the same records with used keys and ended topics. All have to decide alike.
func (s *sim) compareDecisions() {
	var batches []eventlog.Batch
	next := s.hubs[0].running().Head().Seq + 1
	add := func(r eventlog.Record) {
		batches = append(batches, eventlog.Batch{First: next, Time: time.Now(), Records: []eventlog.Record{r}})
		next++
	}
	seen := map[string]bool{}
	for _, l := range s.rec.History() {
		for _, sent := range l.Sent {
			if sent.Key != "" && !seen[sent.Key] {
				seen[sent.Key] = true
				add(recordsOf([]ordertest.Sent{sent})[0])
			}
		}
	}
	for _, topic := range slices.Concat(topics, []string{"also/a/1", "shared"}) {
		add(eventlog.Record{Topics: []string{topic}, Data: "?"})
	}
	var want []eventlog.Outcome
	for i, h := range s.hubs {
		h.stop()
		h.mu.Lock()
		got, err := h.mirror.reopen().Apply(s.Context(), batches, nil)
		h.mu.Unlock()
		if err != nil {
			s.Fatal(err)
		}
		if i == 0 {
			want = got
		}
		if want, got := texts(want), texts(got); !slices.Equal(want, got) {
			s.Errorf("hub %s decides otherwise than hub %s (-%s +%s):\n%s", h.name, s.hubs[0].name, s.hubs[0].name, h.name, cmp.Diff(want, got))
		}
	}
}

func texts(outcomes []eventlog.Outcome) (all []string) {
	for _, o := range outcomes {
		all = append(all, fmt.Sprintf("%+v %v", o.Receipts, o.Err))
	}
	return all
}
