// Package logs compares the durable log with two stores in the same run: plain Pebble, which is the yardstick, and bbolt, which other hubs
// use.
//
//	BenchmarkAppend   how many records per second become durable, by the number of concurrent appenders?
//	BenchmarkBatch    the same with several records per append
//	BenchmarkTrim     the same while retention removes as many records as are appended
//	BenchmarkRead     what does it cost to read from a log of ten million records?
//	BenchmarkOpen     how long does it take to open such a log?
//	BenchmarkTopics   how much memory do live topics take?
//
// Each record has 200 bytes of data and one topic. The other stores write it under its number, without topics or an
// index, so that they do less.
package logs

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"go.etcd.io/bbolt"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
)

// payload is the data of each record.
var payload = strings.Repeat("x", 200)

// store stores records durably.
type store interface {
	// append adds n records to a topic and returns when they are on disk.
	append(topic string, n int) error
	Close() error
}

// contestants are the stores of the append benchmarks, in the order of the tables.
var contestants = []struct {
	name string
	open func(dir string) (store, error)
}{
	{"pebble", openPebble},
	{"tidings", func(dir string) (store, error) { return openTidings(dir, nil) }},
	{"bbolt", openBolt},
}

type tidings struct{ *disklog.Log }

func openTidings(dir string, r *eventlog.Retention) (*tidings, error) {
	if r == nil {
		r = &eventlog.Retention{Bytes: -1}
	}
	l, err := disklog.Open(dir, &disklog.Options{Retention: r})
	return &tidings{l}, err
}

func (t *tidings) append(topic string, n int) error {
	records := make([]eventlog.Record, n)
	for i := range records {
		records[i] = eventlog.Record{Topics: []string{topic}, Data: payload}
	}
	_, err := t.Append(context.Background(), records)
	return err
}

// bare is Pebble with the relevant options of disklog.
type bare struct {
	*pebble.DB
	seq atomic.Uint64
}

func openPebble(dir string) (store, error) {
	db, err := pebble.Open(dir, &pebble.Options{
		FormatMajorVersion: pebble.FormatNewest, MemTableSize: 64 << 20, L0CompactionThreshold: 4, L0StopWritesThreshold: 40,
		LBaseMaxBytes: 256 << 20, BytesPerSync: 1 << 20, Logger: silent{},
	})
	return &bare{DB: db}, err
}

func numberKey(seq uint64) []byte { return binary.BigEndian.AppendUint64([]byte{'e'}, seq) }

func (b *bare) append(_ string, n int) error {
	batch := b.NewBatch()
	for range n {
		if err := batch.Set(numberKey(b.seq.Add(1)), []byte(payload), nil); err != nil {
			return err
		}
	}
	return batch.Commit(pebble.Sync)
}

// silent is a logger that drops all messages during a benchmark.
type silent struct{}

func (silent) Infof(string, ...any)           {}
func (silent) Errorf(string, ...any)          {}
func (silent) Fatalf(format string, a ...any) { panic(fmt.Sprintf(format, a...)) }

// bolt is bbolt with Batch, by which several writers share a transaction.
type bolt struct {
	*bbolt.DB
	seq atomic.Uint64
}

func openBolt(dir string) (store, error) {
	db, err := bbolt.Open(dir+"/bolt", 0o600, nil)
	if err != nil {
		return nil, err
	}
	return &bolt{DB: db}, db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket([]byte("events"))
		return err
	})
}

func (b *bolt) append(_ string, n int) error {
	return b.Batch(func(tx *bbolt.Tx) error {
		events := tx.Bucket([]byte("events"))
		for range n {
			if err := events.Put(numberKey(b.seq.Add(1)), []byte(payload)); err != nil {
				return err
			}
		}
		return nil
	})
}
