package disklog

import (
	"bytes"
	"context"
	"errors"
	"math"

	"github.com/tidings-sse/tidings/eventlog"
)

// Topics implements eventlog.Lister. It reads the first and the last index entry of each topic.
func (l *Log) Topics(ctx context.Context, m eventlog.Matcher, after string, limit int) (topics []eventlog.TopicInfo, err error) {
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
	prefix := appendEscaped([]byte{kindIndex}, m.Prefix())
	next := prefix
	if after >= m.Prefix() {
		next = behind(after)
	}
	for n := 1; len(topics) < limit && v.it.SeekGE(next) && bytes.HasPrefix(v.it.Key(), prefix); n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		name, _, ok := cutName(v.it.Key()[1:])
		if !ok {
			return nil, corrupt("index", "a key is cut off")
		}
		next = behind(name)
		if !m.Match(name) {
			continue
		}
		first, err := decodeEntry(v.it.Value())
		if err != nil {
			return nil, err
		}
		of := appendName(nil, kindIndex, name)
		if !v.it.SeekLT(appendSeq(of[:len(of):len(of)], v.head+1)) || !bytes.HasPrefix(v.it.Key(), of) {
			continue // its first record is not visible yet
		}
		last, err := decodeEntry(v.it.Value())
		if err != nil {
			return nil, err
		}
		t := eventlog.TopicInfo{Name: name, Events: int64(last.ord - first.ord + 1), Last: seqOf(v.it.Key())}
		if last.flags&entryEnd != 0 { // no record follows as long as the end holds
			end, err := s.ends(name, v.head, l.opts.Now())
			if err != nil {
				return nil, err
			}
			t.Ended = end != 0
		}
		topics = append(topics, t)
	}
	return topics, v.it.Error()
}

// behind returns the first key after all entries of a topic.
func behind(topic string) []byte {
	return append(appendName(nil, kindIndex, topic), bytes.Repeat([]byte{math.MaxUint8}, 9)...)
}
