package disklog_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// script defines the batches that clients append, each after the previous one was answered. It depends only on the seed, so other processes
// can check what they find in a log.
type script struct {
	seed  uint64
	keyed bool // every record has a key
	trims bool // retention removes old records, ends included

	mu   sync.Mutex
	made map[[2]int]*batch
}

// id names a record: client, batch, and index in the batch. Data begins with it.
type id struct{ client, n, j int }

// batch is the argument of one Append, and its expected result.
type batch struct {
	ids     []id
	records []eventlog.Record
	encoded []string // the encoded records, to compare with
	keyed   bool     // all records have keys, so that the batch can be repeated

	refused error // the error that Append must return; nil: it must store
	index   int   // of the record that is refused
	cause   id    // of the record that ended the topic, or used the key first
}

// Batches of a client repeat in cycles. Each cycle has a topic of its own, and these phases are special.
const (
	cycle       = 16
	phaseLate   = 0  // appends to the topic that was ended in the previous cycle
	phaseKeyed  = 6  // has keys
	phaseReuse  = 7  // uses one of them for other content
	phaseRepeat = 8  // repeats the batch with keys
	phaseEnd    = 15 // ends the topic
)

func newScript(seed uint64) *script { return &script{seed: seed, made: make(map[[2]int]*batch)} }

// batch returns batch n of a client. It always returns the same one.
func (s *script) batch(client, n int) *batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.get(client, n)
}

func (s *script) get(client, n int) *batch {
	if b := s.made[[2]int{client, n}]; b != nil {
		return b
	}
	b := s.write(client, n)
	s.made[[2]int{client, n}] = b
	return b
}

func (s *script) write(client, n int) *batch {
	if n%cycle == phaseRepeat {
		return s.get(client, n-phaseRepeat+phaseKeyed)
	}
	r := rand.New(rand.NewPCG(s.seed, uint64(client)<<32|uint64(n)))
	b := &batch{keyed: s.keyed || n%cycle == phaseKeyed || r.IntN(3) > 0}
	for j := range 1 + r.IntN(6) {
		b.ids = append(b.ids, id{client, n, j})
		b.records = append(b.records, s.record(r, id{client, n, j}, b.keyed || r.IntN(2) == 0))
	}
	s.phase(b, client, n, r)
	for i := range b.records {
		b.encoded = append(b.encoded, string(b.records[i].AppendTo(nil)))
	}
	return b
}

// phase gives a batch the properties of its phase.
func (s *script) phase(b *batch, client, n int, r *rand.Rand) {
	last := len(b.records) - 1
	switch n % cycle {
	case phaseEnd:
		b.records[last].Topics = []string{ownTopic(client, n/cycle)}
		b.records[last].Flags |= eventlog.End
	case phaseLate:
		if n == 0 {
			return
		}
		end := s.get(client, n-cycle+phaseEnd)
		b.index, b.cause = r.IntN(len(b.records)), end.ids[len(end.ids)-1]
		b.refused = eventlog.ErrEnded
		late := &b.records[b.index]
		late.Topics = append(late.Topics, ownTopic(client, n/cycle-1))
	case phaseReuse:
		first := s.get(client, n-phaseReuse+phaseKeyed)
		b.index, b.cause = r.IntN(len(b.records)), first.ids[0]
		b.refused = eventlog.ErrKeyReused
		b.records[b.index].Key, b.records[b.index].Topics = first.records[0].Key, first.records[0].Topics[:1]
	}
}

func ownTopic(client, epoch int) string { return fmt.Sprintf("own/%d/%d", client, epoch) }

var padding = strings.Repeat("0123456789abcdefghijklmnopqrstuvwxyz", 1000)

func (s *script) record(r *rand.Rand, name id, key bool) eventlog.Record {
	rec := eventlog.Record{
		Topics: s.topics(r, name),
		Data:   fmt.Sprintf("%d/%d/%d %s", name.client, name.n, name.j, padding[:r.IntN(600)]),
		Flags:  eventlog.Flags(r.IntN(4)) << 1,
	}
	if r.IntN(50) == 0 {
		rec.Data += padding[:r.IntN(8000)]
	}
	if key {
		rec.Key = fmt.Sprintf("key %d/%d/%d", name.client, name.n, name.j)
	}
	if r.IntN(5) == 0 {
		rec.ID = fmt.Sprintf("id %d", r.IntN(20))
	}
	if r.IntN(8) == 0 {
		rec.Type, rec.ContentType, rec.Retry = "type", "text/plain", time.Duration(r.IntN(5))*time.Second
	}
	return rec
}

// topics returns one to three different topics.
func (s *script) topics(r *rand.Rand, name id) []string {
	all := []string{
		"all",
		fmt.Sprintf("plain/%d", r.IntN(12)),
		fmt.Sprintf("count/%d", r.IntN(4)),
		fmt.Sprintf("latest/%d", r.IntN(4)),
		fmt.Sprintf("age/%d", r.IntN(2)),
		fmt.Sprintf("bytes\x00\x01\xff/%d", r.IntN(3)),
		ownTopic(name.client, name.n/cycle),
	}
	if r.IntN(8) == 0 {
		all = append(all, fmt.Sprintf("once/%d/%d", name.client, name.n))
	}
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:1+r.IntN(3)]
}

// find returns the batch and name of a record that was read from a log; nil if no client appends it.
func (s *script) find(rec *eventlog.Record) (*batch, id) {
	var numbers [3]int
	name, _, _ := strings.Cut(rec.Data, " ")
	for i, text := range strings.SplitN(name, "/", 3) {
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, id{}
		}
		numbers[i] = n
	}
	b := s.batch(numbers[0], numbers[1])
	if j := numbers[2]; j >= len(b.records) || b.encoded[j] != string(rec.AppendTo(nil)) {
		return nil, id{}
	}
	return b, id{numbers[0], numbers[1], numbers[2]}
}

// mayPass reports whether a batch that should be refused may be stored, because retention frees the names of ended topics.
func (s *script) mayPass(b *batch) bool { return s.trims && errors.Is(b.refused, eventlog.ErrEnded) }
