package cluster_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/cluster/ordertest"
)

// A duel is a topic on which several clients append, read and end at the same time, through all hubs, with keys in common. Every answer is
// an operation for [ordertest.Linearizable].
const (
	duellists = 4
	strokes   = 8
)

// duels are the duels of a run. They only make sense if the order loses nothing, and mirrors forget no keys.
type duels struct {
	*sim
	rand *rand.Rand

	mu         sync.Mutex // guards the following field
	operations map[string][]ordertest.Operation
}

func newDuels(s *sim) *duels {
	return &duels{sim: s, rand: rand.New(rand.NewPCG(s.seed, 400)), operations: map[string][]ordertest.Operation{}}
}

// run begins one duel after the other until the context ends.
func (d *duels) run(ctx context.Context) {
	for round := 0; ctx.Err() == nil; round++ {
		d.fight(ctx, fmt.Sprint("duel/", round))
		d.pause(ctx, d.rand, 5*time.Second)
	}
}

// fight is one duel.
func (d *duels) fight(ctx context.Context, topic string) {
	var all sync.WaitGroup
	for i := range duellists {
		r := rand.New(rand.NewPCG(d.rand.Uint64(), uint64(i)))
		all.Go(func() {
			for n := range strokes {
				d.stroke(ctx, r, topic, fmt.Sprint(i), n)
			}
		})
	}
	all.Wait()
}

// stroke is an append or a read. An append without an answer is repeated if it has a key.
func (d *duels) stroke(ctx context.Context, r *rand.Rand, topic, who string, n int) {
	sleep(ctx, time.Duration(r.IntN(100))*time.Millisecond)
	if r.IntN(4) == 0 {
		d.read(ctx, d.any(r), topic)
		return
	}
	sent := ordertest.Sent{Topics: []string{topic}, Data: fmt.Sprintf("%s %s.%d", topic, who, n)}
	switch r.IntN(8) {
	case 0, 1, 2: // a key that others use for the same event
		sent.Key = fmt.Sprintf("%s shared.%d", topic, r.IntN(3))
		sent.Data = sent.Key
	case 3: // and one that they use for another event
		sent.Key = fmt.Sprintf("%s reused.%d", topic, r.IntN(2))
	case 4, 5:
		sent.Key = sent.Data
	case 6:
		sent.End = n > 3
	}
	for range 3 {
		if o := d.append(ctx, d.any(r), sent); o != ordertest.Unknown && o != ordertest.Refused || sent.Key == "" {
			return
		}
	}
}

func (d *duels) append(ctx context.Context, h *simHub, sent ordertest.Sent) ordertest.Outcome {
	log := h.running()
	if log == nil {
		return ordertest.Refused
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	line := ordertest.Line{Kind: ordertest.Publish, Client: "duel", Hub: h.name, Start: d.rec.Now(), Sent: []ordertest.Sent{sent}}
	receipts, err := log.Append(ctx, recordsOf(line.Sent))
	op := ordertest.Operation{Call: line.Start, Return: d.rec.Now(), Key: sent.Key, Content: sent.Data, End: sent.End, Answer: ordertest.IsUnknown}
	switch line.Outcome = outcome(err); line.Outcome {
	case ordertest.Stored:
		op.Answer = ordertest.IsStored
		if receipts[0].Duplicate {
			op.Answer = ordertest.IsAgain
		}
		line.IDs, line.Again = []string{receipts[0].String()}, []bool{receipts[0].Duplicate}
	case ordertest.Ended:
		op.Answer = ordertest.HasEnded
	case ordertest.Reused:
		op.Answer = ordertest.IsReused
	case ordertest.Refused, ordertest.Unknown:
	}
	if line.Outcome != ordertest.Unknown {
		line.End = op.Return
	}
	d.rec.Add(line)
	if line.Outcome != ordertest.Refused {
		d.add(sent.Topics[0], op)
	}
	return line.Outcome
}

// read reads a topic from its beginning.
func (d *duels) read(ctx context.Context, h *simHub, topic string) {
	log := h.running()
	if log == nil || log.Head().Gen == "" {
		return
	}
	op := ordertest.Operation{Call: d.rec.Now(), Read: []string{}}
	q := eventlog.Query{Selector: eventlog.Topics(topic), After: eventlog.Position{Gen: log.Head().Gen}}
	for {
		a, err := log.Read(ctx, q)
		if err != nil {
			return // it proves nothing
		}
		for i := range a.Records {
			op.Read = append(op.Read, a.Records[i].Data)
		}
		if len(a.Records) == 0 {
			break
		}
		q.After = a.Complete
	}
	op.Return = d.rec.Now()
	d.add(topic, op)
}

func (d *duels) add(topic string, op ordertest.Operation) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.operations[topic] = append(d.operations[topic], op)
}

// judge fails the test if no single log can have given the answers of a duel. The search has a limit in real time, so it must run outside of
// the bubble.
func (d *duels) judge(t *testing.T) {
	for topic, operations := range d.operations {
		if ordertest.Linearizable(operations, 10*time.Second) == ordertest.Impossible {
			t.Errorf("seed %d: the answers about %s cannot have come from one log:", d.seed, topic)
			for i := range operations {
				t.Logf("%+v", operations[i])
			}
		}
	}
}

// TestDuelsFindAHubThatForgetsKeys plants the fault that duels are to find: one hub takes events again that the others know.
func TestDuelsFindAHubThatForgetsKeys(t *testing.T) {
	t.Parallel()
	for _, forgets := range []bool{false, true} {
		var d *duels
		synctest.Test(t, func(t *testing.T) {
			s := newSim(t, 1, inMemory)
			s.ret = &eventlog.Retention{}
			defer s.end()
			for _, h := range s.hubs {
				h.start()
			}
			s.heal()
			s.hubs[1].mirror.setForgets(forgets)
			d = newDuels(s)
			for round := range 3 {
				d.fight(t.Context(), fmt.Sprint("duel/", round))
			}
		})
		found := 0
		for topic, operations := range d.operations {
			if len(operations) > 300 {
				t.Errorf("%s has %d operations", topic, len(operations))
			}
			if ordertest.Linearizable(operations, time.Minute) == ordertest.Impossible {
				found++
			}
		}
		if found > 0 != forgets || len(d.operations) != 3 {
			t.Errorf("%d of %d duels are impossible, and it is %v that a hub forgets keys", found, len(d.operations), forgets)
		}
	}
}
