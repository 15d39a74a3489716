package disklog

import (
	"bytes"
	"context"
	"errors"
	"math"

	"github.com/tidings-sse/tidings/eventlog"
)

// Topics implements eventlog.Lister. It reads the first and the last index entry of each topic, and its last record; with q.Sizes, it reads all
// index entries.
func (l *Log) Topics(ctx context.Context, q eventlog.TopicQuery) (topics []eventlog.TopicInfo, err error) {
	s, err := l.use(ctx)
	if err != nil {
		return nil, err
	}
	defer s.release()
	if err := l.begun(); err != nil {
		return nil, err
	}
	v, err := s.view(l.Head().Seq)
	if err != nil {
		return nil, err
	}
	defer func() { err = typed(errors.Join(err, v.close())) }()
	now := l.now()
	next := v.namesFrom(q)
	for n := 1; len(topics) < q.Limit; n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		name, ok, err := next()
		if err != nil || !ok {
			return topics, err
		}
		if !q.Matcher.Match(name) {
			continue
		}
		t, ok, err := v.topicInfo(ctx, name, q.Sizes)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		if t.Ended { // no record follows as long as the end holds
			end, err := s.ends(name, v.head, now)
			if err != nil {
				return nil, err
			}
			t.Ended = end != 0
		}
		topics = append(topics, t)
	}
	return topics, nil
}

// namesFrom returns a function that returns the next name of a list of topics. ok is false after the last one.
func (v *view) namesFrom(q eventlog.TopicQuery) func() (name string, ok bool, err error) {
	prefix := appendEscaped([]byte{kindIndex}, q.Matcher.Prefix())
	seek, at, step := v.it.SeekGE, prefix, behind
	switch {
	case q.Reverse:
		seek, at = v.it.SeekLT, successor(prefix)
		step = func(topic string) []byte { return appendName(nil, kindIndex, topic) }
		if before := step(q.After); q.After != "" && bytes.Compare(before, at) < 0 {
			at = before
		}
	case q.After >= q.Matcher.Prefix():
		at = behind(q.After)
	}
	return func() (string, bool, error) {
		if !seek(at) || !bytes.HasPrefix(v.it.Key(), prefix) {
			return "", false, v.it.Error()
		}
		name, _, ok := cutName(v.it.Key()[1:])
		if !ok {
			return "", false, corrupt("index", "a key is cut off")
		}
		at = step(name)
		return name, true, nil
	}
}

// topicInfo describes a topic. ok is false if its first record is not visible yet. Ended says that its last record is an end, which may have
// expired.
func (v *view) topicInfo(ctx context.Context, name string, sizes bool) (t eventlog.TopicInfo, ok bool, err error) {
	of := appendName(nil, kindIndex, name)
	if !v.it.SeekLT(appendSeq(of[:len(of):len(of)], v.head+1)) || !bytes.HasPrefix(v.it.Key(), of) {
		return t, false, v.it.Error()
	}
	last, err := decodeEntry(v.it.Value())
	if err != nil {
		return t, false, err
	}
	t = eventlog.TopicInfo{Name: name, Last: seqOf(v.it.Key()), Ended: last.flags&entryEnd != 0, Rule: *v.s.ret().Rule(name)}
	if !v.it.SeekGE(of) {
		return t, false, v.it.Error()
	}
	first, err := decodeEntry(v.it.Value())
	if err != nil {
		return t, false, err
	}
	t.Events = int64(last.ord - first.ord + 1)
	if sizes {
		if t.Bytes, err = v.sizeOf(ctx, of, t.Last); err != nil {
			return t, false, err
		}
	}
	switch r, err := v.event(t.Last); {
	case err == nil:
		t.Time = r.Time
	case !isCorrupt(err):
		return t, false, err
	}
	return t, true, nil
}

// sizeOf returns the size of the records of a topic up to a number. The iterator is at the first of its entries, whose keys begin with of.
func (v *view) sizeOf(ctx context.Context, of []byte, last uint64) (size int64, err error) {
	for n := 1; v.it.Valid() && bytes.HasPrefix(v.it.Key(), of) && seqOf(v.it.Key()) <= last; n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return 0, ctx.Err()
		}
		e, err := decodeEntry(v.it.Value())
		if err != nil {
			return 0, err
		}
		size += int64(e.size)
		v.it.Next()
	}
	return size, v.it.Error()
}

// successor returns the first key after all keys with a prefix, which begins with a kind.
func successor(prefix []byte) []byte {
	next := bytes.TrimRight(bytes.Clone(prefix), "\xff")
	next[len(next)-1]++
	return next
}

// behind returns the first key after all entries of a topic.
func behind(topic string) []byte {
	return append(appendName(nil, kindIndex, topic), bytes.Repeat([]byte{math.MaxUint8}, 9)...)
}
