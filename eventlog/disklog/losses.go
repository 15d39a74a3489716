package disklog

import (
	"reflect"
	"sync"
	"sync/atomic"

	"github.com/tidings-sse/tidings/eventlog"
)

// losses remembers, for the matchers used last, the newest record that one of their topics trimmed. Computing it means visiting
// all topics under a prefix in each Read of a reader that catches up; keeping it up to date means matching the topics of each chunk.
type losses struct {
	chunks atomic.Uint64 // incremented before and after a chunk is written: odd during the write

	mu     sync.Mutex // guards newest
	newest map[eventlog.Matcher]uint64
}

// lossesKept is the maximum number of matchers. Each is matched against the topics of every chunk.
const lossesKept = 64

// known reports whether it is known that no topic of these matchers trimmed anything after a number.
func (l *losses) known(matchers []eventlog.Matcher, after uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range matchers {
		if !isKey(m) {
			return false
		}
		if newest, ok := l.newest[m]; !ok || newest > after {
			return false
		}
	}
	return true
}

// learn stores the result for a matcher. It was computed in a view that was made at this count of chunks.
func (l *losses) learn(m eventlog.Matcher, newest, chunks uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if chunks%2 != 0 || chunks != l.chunks.Load() || !isKey(m) {
		return // a chunk may have changed the result
	}
	if l.newest == nil {
		l.newest = make(map[eventlog.Matcher]uint64)
	}
	if _, known := l.newest[m]; !known && len(l.newest) >= lossesKept {
		for other := range l.newest { // any one
			delete(l.newest, other)
			break
		}
	}
	l.newest[m] = newest
}

// begin is called before a chunk is written, end after it.
func (l *losses) begin(changes map[string]*change) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.chunks.Add(1)
	for m, newest := range l.newest {
		for topic, c := range changes {
			if c.state.trimmed > newest && m.Match(topic) {
				newest = c.state.trimmed
			}
		}
		l.newest[m] = newest
	}
}

func (l *losses) end() { l.chunks.Add(1) }

// isKey reports whether a matcher can be the key of a map.
func isKey(m eventlog.Matcher) bool { return reflect.ValueOf(m).Comparable() }
