package fanout

import (
	"bytes"
	"fmt"
	"reflect"
	"sync"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// encodings are the encodings of all streams, by their keys. Streams whose encodings have equal keys share bytes. If those encodings made
// different bytes, clients would get the form of another.
type encodings struct{ known sync.Map }

// KeyError is the error of a subscription whose encoding has the key of another encoding and makes other bytes.
type KeyError struct {
	Key          string
	Known, Other Encoding
}

func (e *KeyError) Error() string {
	return fmt.Sprintf("fanout: the encodings %T and %T have the same key, %q, and make different bytes; give each a key of its own", e.Known, e.Other, e.Key)
}

// check returns a *KeyError for an encoding that differs from an earlier one with its key. Encodings that are equal in Go are not compared, and
// others by samples, because a dialect may make a value for each stream.
func (all *encodings) check(e Encoding) error {
	key := e.Key()
	found, loaded := all.known.LoadOrStore(key, e)
	known := found.(Encoding)
	if !loaded || reflect.ValueOf(e).Comparable() && reflect.ValueOf(known).Comparable() && known == e || bytes.Equal(sample(known), sample(e)) {
		return nil
	}
	return &KeyError{key, known, e}
}

// sample returns what an encoding makes of some events and of every control message.
func sample(e Encoding) (b []byte) {
	at, now := eventlog.Position{Gen: "abcde", Seq: 7}, time.Unix(1_700_000_000, 0)
	for _, r := range []eventlog.Record{
		{Topics: []string{"a/b", "c"}, Type: "note", Data: "two\nlines"},
		{Topics: []string{"a"}, Data: `{"json":1}`, ContentType: "application/json"},
		{Topics: []string{"a"}, Data: "\x00\xff", Flags: eventlog.Binary},
		{Topics: []string{"a"}, Flags: eventlog.End},
	} {
		r.Seq, r.Time = at.Seq, now
		b = append(e.Event(b, at, &r), 0)
	}
	for kind := ControlOpened; kind <= ControlHeartbeat; kind++ {
		b = append(e.Control(b, Control{
			Kind: kind, Now: now, At: at, Retry: time.Second, Gap: &Gap{eventlog.Trimmed, "abcde-1", at}, Expires: now,
		}), 0)
	}
	return b
}
