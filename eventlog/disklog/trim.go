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

// trimmer applies retention in the background. It reads what is to go from a view, in chunks, and takes the committer's
// turn only to write a chunk.
type trimmer struct {
	wake chan struct{} // receives when there is something to do

	pass chan struct{} // holds one value while a pass runs

	mu      sync.Mutex          // guards the following fields
	topics  map[string]struct{} // that have more than they shall keep
	records int                 // that they have got since they were looked at
}

const (
	trimEvery = time.Second // how long something may be there beyond what its rule says

	// Of a chunk, for which appends wait at the most, see chunk.full.
	chunkRecords = 4096
	chunkTopic   = 1024 // records of one topic that are looked at, or topics
)

func (t *trimmer) init() {
	t.wake = make(chan struct{}, 1)
	t.pass = make(chan struct{}, 1)
	t.topics = make(map[string]struct{})
}

// excess tells the trimmer of topics that have got records beyond what they shall keep, one for each time. Few of them
// wait for the next tick: to remove one record at a time costs more than to append it.
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

// again is for topics with which something went wrong. They wait for the next tick.
func (t *trimmer) again(topics []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, topic := range topics {
		t.topics[topic] = struct{}{}
	}
}

// hurry begins the next pass now, or as soon as the one that runs is over.
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
	said := "" // the last error, which comes again and again
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
		if text := err.Error(); text != said {
			said = text
			l.opts.Logger.Error("retention could not be applied to everything; it will be tried again", "dir", l.dir, "err", err.Error())
		}
	}
}

// Trim applies retention now, and to the last record, as if the background had had all the time it wants. Nobody needs to
// call it; it is for tests, and for people who have changed the rules.
func (l *Log) Trim(ctx context.Context) error { return l.trimPass(ctx, true) }

// trimPass does everything that there is to trim: what is too many of a topic, what is too old, what is too much in all. Then
// keys and topics are forgotten. Age comes second: what was superseded in time is no gap, however old it is now.
//
// What cannot be read because the disk is damaged does not keep the rest from being trimmed.
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
		l.trimTotal, l.forgetKeys, l.forgetTopics,
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

// sweepOnce sweeps if that was not done since the log was opened.
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

// chunks calls step with one chunk after the other until it reports that it is done. What step does to anything but the chunk
// has to be right also if the chunk is not written.
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

// trimAges trims what is older than its rule says. For each age there is, the log is walked from where that was done last.
func (l *Log) trimAges(ctx context.Context) error {
	ages := make(map[time.Duration]bool)
	for _, rule := range l.opts.Retention.Rules {
		if rule.Age > 0 {
			ages[rule.Age] = true
		}
	}
	for age := range ages {
		// Strictly older: what has just reached its age is still there.
		before := l.opts.Now().UnixMilli() - age.Milliseconds()
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

// trimAge does a chunk of it.
func (l *Log) trimAge(k *chunk, age time.Duration, before uint64) (done bool, err error) {
	w := walk{chunk: k, at: max(k.s.examined[age], k.meta.first)}
	done, err = w.run(func(r *eventlog.Record) bool {
		if uint64(r.Time.UnixMilli()) >= before {
			return false
		}
		k.drop(r, func(topic string) bool { return k.s.ret.Rule(topic).Age == age }, trimmed)
		return true
	})
	k.written = func() { k.s.examined[age] = w.at }
	return done, err
}

// trimTotal removes the oldest records but those of reserved topics, until what is left is as much as the whole log shall keep.
func (l *Log) trimTotal(ctx context.Context) error {
	most := l.opts.Retention
	const total = 0 // which is no age
	return l.chunks(ctx, func(k *chunk) (bool, error) {
		if err := k.s.recount(ctx); err != nil {
			return true, err
		}
		w := walk{chunk: k, at: max(k.s.examined[total], k.meta.first)}
		k.written = func() { k.s.examined[total] = w.at }
		stale := false
		done, err := w.run(func(r *eventlog.Record) bool {
			if stale = k.s.stale(); stale {
				return false // the walk has met damage
			}
			events, bytes := k.s.count()
			events, bytes = events-int64(len(k.buried)), bytes-k.bytes
			if (most.Events == 0 || events <= most.Events) && (most.Bytes == 0 || bytes <= most.Bytes) {
				return false
			}
			k.drop(r, func(topic string) bool { return !eventlog.Reserved(topic) }, trimmed)
			return true
		})
		return done && !stale, err
	})
}

// overfull reports whether the log has so much more than it shall keep that trimming should not wait for its tick.
func (s *store) overfull() bool {
	most, mostBytes := s.ret.Events, s.ret.Bytes
	events, bytes := s.count()
	return most > 0 && events-most > most/16+chunkRecords || mostBytes > 0 && bytes-mostBytes > mostBytes/16+commitBytes
}

// sweep looks at all topics whose rule has a number: another rule may have been theirs when they were written.
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
		next = topics[len(topics)-1] + "\x00" // the first that comes after it
	}
}

func (l *Log) countsAny() bool {
	for _, rule := range l.opts.Retention.Rules {
		if rule.Count+rule.Latest > 0 {
			return true
		}
	}
	return false
}

// trimTopics removes what topics have beyond the numbers of their rules. If it cannot, they are looked at again by the next pass.
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

// forgetKeys removes keys that are not known any more. Who looks one up knows that without.
func (l *Log) forgetKeys(ctx context.Context) error {
	return l.chunks(ctx, func(k *chunk) (bool, error) { return k.forgetKeys(l) })
}

// forgetTopics forgets the dead topics that died first, as long as there are more than may be remembered.
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
	if s.ret.Remembers(s.deadTopics.Load(), s.deadBytes.Load()) || s.db.Failed() {
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
