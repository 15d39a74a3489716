package disklog

import (
	"bytes"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2/record"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// SetFS lets a log live in another file system, such as one that loses power.
func (o *Options) SetFS(fs vfs.FS) { o.fs = fs }

// TrimOnlyWhenAsked lets nothing be trimmed but by Trim: what retention takes may depend on when it is applied.
func (o *Options) TrimOnlyWhenAsked() { o.idleTrims = true }

// CachedTopics returns how many topics the committer has in memory.
func (l *Log) CachedTopics() int {
	l.turn.Lock()
	defer l.turn.Unlock()
	return len(l.store.topics.young) + len(l.store.topics.old)
}

// EntriesOf returns where the entries of a manifest or a write-ahead log end.
func EntriesOf(name, text string) (ends []int) {
	var number uint64
	_, _ = fmt.Sscanf(name, "%d.log", &number) // a manifest has none
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

// SetChunk lets trimming write chunks of so many bytes, more or less.
func (o *Options) SetChunk(bytes int) { o.chunkBytes = bytes }

// OnChunk has f called with the size of each chunk that is trimmed.
func (o *Options) OnChunk(f func(bytes int)) { o.onChunk = f }

// Taken reports whether somebody has taken the store away, or waits to.
func (l *Log) Taken() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.back != nil
}

// newReader is record.NewReader for a number whose type has no name here.
func newReader[N ~uint64](f io.Reader, number uint64, make func(io.Reader, N) *record.Reader) *record.Reader {
	return make(f, N(number))
}

// Fingerprint returns the fingerprint of a directory with this file.
func Fingerprint(path string) string { return fingerprint(path) }
