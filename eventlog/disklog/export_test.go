package disklog

import (
	"bytes"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2/record"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// SetFS sets the file system, such as one that simulates power losses.
func (o *Options) SetFS(fs vfs.FS) { o.fs = fs }

// TrimOnlyWhenAsked disables trimming except by Trim, because the result may depend on its timing.
func (o *Options) TrimOnlyWhenAsked() { o.idleTrims = true }

// CachedTopics returns the number of topics in the committer's cache.
func (l *Log) CachedTopics() int {
	l.turn.Lock()
	defer l.turn.Unlock()
	return len(l.store.topics.young) + len(l.store.topics.old)
}

// EntriesOf returns the offsets at which the entries of a manifest or a write-ahead log end.
func EntriesOf(name, text string) (ends []int) {
	var number uint64
	_, _ = fmt.Sscanf(name, "%d.log", &number) // the name of a manifest has no number
	r := newReader(bytes.NewReader([]byte(text)), number, record.NewReader)
	for {
		entry, err := r.Next()
		if err == nil {
			_, err = new(bytes.Buffer).ReadFrom(entry)
		}
		if err != nil {
			return ends
		}
		ends = append(ends, int(r.Offset()))
	}
}

// NotClosed is the warning about a log with SyncInterval that a crash ended.
const NotClosed = notClosed

// SyncNow does what SyncInterval does when an interval ends.
func (l *Log) SyncNow() { l.syncNow() }

// SetChunk sets the approximate size of chunks in bytes.
func (o *Options) SetChunk(bytes int) { o.chunkBytes = bytes }

// OnChunk sets a function that gets the size of each chunk.
func (o *Options) OnChunk(f func(bytes int)) { o.onChunk = f }

// Taken reports whether the store is taken away, or about to be.
func (l *Log) Taken() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.back != nil
}

// newReader calls record.NewReader with a number whose type is internal to Pebble.
func newReader[N ~uint64](f io.Reader, number uint64, make func(io.Reader, N) *record.Reader) *record.Reader {
	return make(f, N(number))
}

// Fingerprint returns the fingerprint of a file.
func Fingerprint(path string) string { return fingerprint(path) }
