package disklog

import (
	"context"
	"errors"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// trimmer applies retention in the background. It reads what to remove from a view, in chunks, and takes the committer's turn only
// to write a chunk.
type trimmer struct {
	wake chan struct{} // receives when a pass should start

	pass chan struct{} // holds a value while a pass runs

	mu      sync.Mutex          // guards the following fields
	topics  map[string]struct{} // topics over their limit
	records int                 // records that they got since the last pass
}

const (
	trimEvery = time.Second // records exceed their limits for about this long

	// Limits of a chunk, for which appends wait, see chunk.full.
	chunkRecords = 4096
	chunkTopic   = 1024 // records of one topic that are examined, or topics
)

func (t *trimmer) init() {
	t.wake = make(chan struct{}, 1)
	t.pass = make(chan struct{}, 1)
	t.topics = make(map[string]struct{})
}

// excess passes topics that have got records beyond their limit, one entry per record. A few records wait for the next tick, because
// removing them one by one costs more than appending them.
func (t *trimmer) excess(topics []string) {
	if len(topics) == 0 {
		return
	}
	t.mu.Lock()
	for _, topic := range topics {
		t.topics[topic] = struct{}{}
	}
	t.records += len(topics)
	many := t.records >= chunkRecords
	t.mu.Unlock()
	if many {
		t.hurry()
	}
}

// again schedules topics for the next pass after an error.
func (t *trimmer) again(topics []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, topic := range topics {
		t.topics[topic] = struct{}{}
	}
}

// hurry starts a pass now, or directly after the current one.
func (t *trimmer) hurry() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

func (t *trimmer) takeTopics() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	topics := slices.Collect(maps.Keys(t.topics))
	clear(t.topics)
	t.records = 0
	return topics
}

func (l *Log) trimLoop(ctx context.Context) {
	tick := time.NewTicker(trimEvery)
	defer tick.Stop()
	logged := "" // the last logged error, which may recur with each pass
	for {
		select {
		case <-tick.C:
		case <-l.trim.wake:
		case <-ctx.Done():
			return
		}
		if l.opts.idleTrims {
			continue
		}
		err := l.trimPass(ctx, false)
		if err == nil || ctx.Err() != nil || errors.Is(err, eventlog.ErrUnavailable) || errors.Is(err, eventlog.ErrClosed) {
			continue
		}
		if text := err.Error(); text != logged {
			logged = text
			l.opts.Logger.Error("retention failed in part and will be tried again", "dir", l.dir, "err", err.Error())
		}
	}
}

// Trim applies retention completely, now. The log does so by itself in the background; Trim is for tests, and after rules were
// changed.
func (l *Log) Trim(ctx context.Context) error { return l.trimPass(ctx, true) }

// trimPass applies the limits per topic, by age, and in all, and then forgets keys and topics. Limits per topic come before age,
// because a superseded record causes no gap, however old it is now.
//
// Damage in one step does not stop the others.
func (l *Log) trimPass(ctx context.Context, everything bool) error {
	select {
	case l.trim.pass <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-l.trim.pass }()
	steps := []func(context.Context) error{
		func(ctx context.Context) error { return l.sweepOnce(ctx, everything) },
		func(ctx context.Context) error { return l.trimTopics(ctx, l.trim.takeTopics()) },
		l.trimAges,
		l.trimTotal,
		func(ctx context.Context) error {
			return l.forgetKeys(ctx, uint64(l.rules.Load().UndoKeys()), eventlog.UndoTime)
		},
		func(ctx context.Context) error { return l.forgetEnds(ctx, eventlog.UndoTime) },
		l.forgetTimes, l.forgetTopics,
	}
	var damage error
	for _, step := range steps {
		if err := step(ctx); isCorrupt(err) {
			damage = err
		} else if err != nil {
			return err
		}
	}
	return typed(damage)
}

// sweepOnce sweeps if that has not been done since the store was opened.
func (l *Log) sweepOnce(ctx context.Context, again bool) (err error) {
	s, err := l.use(ctx)
	if err != nil {
		return err
	}
	defer func() { s.swept = s.swept || err == nil || isCorrupt(err) }()
	swept := s.swept
	s.release()
	if swept && !again {
		return nil
	}
	return l.sweep(ctx)
}

// chunks calls step with one chunk after the other until step reports that it is done. Changes that step makes outside of the chunk
// must also be right if the chunk is not written.
func (l *Log) chunks(ctx context.Context, step func(*chunk) (done bool, err error)) error {
	for {
		done, err := l.chunk(ctx, step)
		if done || err != nil {
			return err
		}
	}
}

func (l *Log) chunk(ctx context.Context, step func(*chunk) (done bool, err error)) (done bool, err error) {
	s, err := l.use(ctx)
	if err != nil {
		return true, err
	}
	defer s.release()
	if s.db.Failed() {
		return true, broken(s.db.Err())
	}
	k, err := newChunk(s, l.Head().Seq)
	if err != nil {
		return true, err
	}
	defer func() { err = errors.Join(err, k.close()) }()
	if done, err = step(k); err != nil {
		return true, err
	}
	if !k.empty() {
		l.turn.Lock()
		defer l.turn.Unlock()
		err = k.commit()
		if l.opts.onChunk != nil {
			l.opts.onChunk(k.size)
		}
	}
	if err == nil && k.written != nil {
		k.written()
	}
	return done, err
}

// trimAges trims records that are older than their rules allow. For each age, it continues where it stopped last.
func (l *Log) trimAges(ctx context.Context) error {
	ages := make(map[time.Duration]bool)
	for _, rule := range l.rules.Load().Rules {
		if rule.Age > 0 {
			ages[rule.Age] = true
		}
	}
	for age := range ages {
		// Records that have just reached the age stay.
		before := l.now().UnixMilli() - age.Milliseconds()
		if before <= 0 {
			continue
		}
		err := l.chunks(ctx, func(k *chunk) (bool, error) { return l.trimAge(k, age, uint64(before)) })
		if err != nil {
			return err
		}
	}
	return nil
}

// trimAge trims one chunk by age.
func (l *Log) trimAge(k *chunk, age time.Duration, before uint64) (done bool, err error) {
	w := walk{chunk: k, at: max(k.s.examined[age], k.meta.first)}
	done, err = w.run(func(r *eventlog.Record) bool {
		if uint64(r.Time.UnixMilli()) >= before {
			return false
		}
		k.drop(r, func(topic string) bool { return k.s.ret().Rule(topic).Age == age }, trimmed)
		return true
	})
	k.written = func() { k.s.examined[age] = w.at }
	return done, err
}

// trimTotal removes the oldest records, except those of reserved topics, until the limits of the whole log hold.
func (l *Log) trimTotal(ctx context.Context) error {
	most := l.rules.Load()
	const total = 0 // key of examined
	return l.chunks(ctx, func(k *chunk) (bool, error) {
		if err := k.s.recount(ctx); err != nil {
			return true, err
		}
		w := walk{chunk: k, at: max(k.s.examined[total], k.meta.first)}
		k.written = func() { k.s.examined[total] = w.at }
		stale := false
		done, err := w.run(func(r *eventlog.Record) bool {
			if stale = k.s.stale(); stale {
				return false // the walk found damage
			}
			events, bytes := k.s.count()
			events, bytes = events-int64(len(k.removed)), bytes-k.bytes
			if (most.Events == 0 || events <= most.Events) && (most.Bytes == 0 || bytes <= most.Bytes) {
				return false
			}
			k.drop(r, func(topic string) bool { return !eventlog.Reserved(topic) }, trimmed)
			return true
		})
		return done && !stale, err
	})
}

// overfull reports whether the log exceeds its limits by so much that a pass should start now.
func (s *store) overfull() bool {
	most, mostBytes := s.ret().Events, s.ret().Bytes
	events, bytes := s.count()
	return most > 0 && events-most > most/16+chunkRecords || mostBytes > 0 && bytes-mostBytes > mostBytes/16+commitBytes
}

// sweep applies the limits per topic to all topics, because the rules may have changed since the records were written.
func (l *Log) sweep(ctx context.Context) error {
	if !l.countsAny() {
		return nil
	}
	for next := ""; ; {
		var topics []string
		err := l.chunks(ctx, func(k *chunk) (bool, error) {
			var err error
			topics, err = k.topics(next, chunkTopic)
			return true, err
		})
		if err != nil || len(topics) == 0 {
			return err
		}
		if err := l.trimTopics(ctx, topics); err != nil {
			return err
		}
		next = topics[len(topics)-1] + "\x00" // directly after the last topic
	}
}

func (l *Log) countsAny() bool {
	for _, rule := range l.rules.Load().Rules {
		if rule.Count+rule.Latest > 0 {
			return true
		}
	}
	return false
}

// trimTopics applies the limits per topic to some topics. After an error the next pass tries them again.
func (l *Log) trimTopics(ctx context.Context, topics []string) (err error) {
	all := topics
	defer func() {
		if err != nil {
			l.trim.again(all)
		}
	}()
	return l.chunks(ctx, func(k *chunk) (bool, error) {
		for len(topics) > 0 && !k.full() {
			if err := ctx.Err(); err != nil {
				return true, err
			}
			done, err := k.trimTopic(topics[0])
			if err != nil && !isCorrupt(err) {
				return true, err
			}
			if err == nil && !done {
				return false, nil
			}
			topics = topics[1:]
		}
		return len(topics) == 0, nil
	})
}

// forgetKeys deletes the idempotency keys that expired more keys and a longer time ago. Lookups ignore them in any case.
func (l *Log) forgetKeys(ctx context.Context, more uint64, undo time.Duration) error {
	return l.chunks(ctx, func(k *chunk) (bool, error) { return k.forgetKeys(l, more, undo) })
}

// forgetTopics forgets the dead topics that died first, while there are too many.
func (l *Log) forgetTopics(ctx context.Context) error {
	for {
		s, err := l.use(ctx)
		if err != nil {
			return err
		}
		done, err := l.forgetSome(s)
		s.release()
		if done || err != nil {
			return err
		}
	}
}

func (l *Log) forgetSome(s *store) (done bool, err error) {
	l.turn.Lock()
	defer l.turn.Unlock()
	if s.ret().Remembers(s.deadTopics.Load(), s.deadBytes.Load()) || s.db.Failed() {
		return true, nil
	}
	k, err := newChunk(s, math.MaxUint64)
	if err != nil {
		return true, err
	}
	defer func() { err = errors.Join(err, k.close()) }()
	if err := k.forgetTopics(); err != nil {
		return true, err
	}
	return false, k.commit()
}
