package disklog

import (
	"reflect"
	"sync"
	"sync/atomic"

	"github.com/tidings-sse/tidings/eventlog"
)

// losses knows of the matchers that were used last the newest record that one of their topics has trimmed. To find it is to
// go through all topics under a prefix, at each Read of those who catch up; to keep it is to look at what each chunk of
// trimming changes.
type losses struct {
	chunks atomic.Uint64 // counts when the writing of a chunk begins and when it is over: odd while one is written

	mu     sync.Mutex // guards newest
	newest map[eventlog.Matcher]uint64
}

// lossesKept is of how many matchers it is known. Each costs every chunk a look at its topics.
const lossesKept = 64

// known reports whether it is known that no topic of these matchers has trimmed anything after a number.
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

// learn takes what was found for a matcher in a view that was made when chunks had this count.
func (l *losses) learn(m eventlog.Matcher, newest, chunks uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if chunks%2 != 0 || chunks != l.chunks.Load() || !isKey(m) {
		return // a chunk may have changed it
	}
	if l.newest == nil {
		l.newest = make(map[eventlog.Matcher]uint64)
	}
	if _, known := l.newest[m]; !known && len(l.newest) >= lossesKept {
		for other := range l.newest { // any
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

// isKey reports whether a matcher can be a key.
func isKey(m eventlog.Matcher) bool { return reflect.ValueOf(m).Comparable() }
