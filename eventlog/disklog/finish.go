package disklog

import (
	"context"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/tidings-sse/tidings/eventlog"
)

// finishLoop waits for the syncs of batches in order, and answers their requests.
func (l *Log) finishLoop() {
	for c := range l.unsynced {
		err := c.failed
		if c.batch != nil {
			err = c.sync(err)
		}
		if err == nil && c.store != nil {
			err = l.publishCommit(c)
		}
		for _, r := range c.requests {
			if err != nil {
				r.receipts, r.err = nil, err
			}
			close(r.done)
		}
	}
}

// publishCommit makes a batch visible, unless its store has failed. After a failure the log does not know whether the batch is on
// disk. The next store may already be open with a newer head.
//
// If the batch was synced, it first notes that the batch is on disk, see acknowledged.go.
func (l *Log) publishCommit(c *commit) error {
	if c.synced {
		if err := c.store.acknowledged.raise(c.head); err != nil {
			c.store.db.Fail(err)
		}
	}
	l.mu.Lock() // so that the store is not replaced meanwhile
	defer l.mu.Unlock()
	if c.store.db.Failed() {
		return broken(c.store.db.Err())
	}
	if head := l.Head(); head != c.head {
		c.store.newest.add(c.stored, head.Seq, c.head.Seq)
		l.publish(c.head)
	}
	l.trim.excess(c.excess)
	return nil
}

// sync waits until the batch is on disk. After any error the store has to be opened again, because the committer relies on
// what it has written.
func (c *commit) sync(err error) error {
	if err == nil && c.written {
		err = c.batch.SyncWait()
	}
	if closeErr := c.batch.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		c.store.db.Fail(err)
		return broken(err)
	}
	return nil
}

// syncLoop syncs at intervals, for SyncInterval. What is published when the log opens is on disk. The caller reads that position, because this
// goroutine may run only after the first appends.
func (l *Log) syncLoop(synced eventlog.Position) {
	tick := time.NewTicker(l.opts.Interval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-l.closing:
			return // closing the store syncs
		}
		if head := l.Head(); head != synced {
			l.syncNow()
			synced = head
		}
	}
}

// syncNow syncs the published records, and writes that they are on disk.
func (l *Log) syncNow() {
	s, err := l.hold(context.Background())
	if err != nil {
		return
	}
	defer s.release()
	head := l.Head() // of this store: it is held, so it cannot be replaced
	if s.db.Failed() {
		return
	}
	err = s.db.LogData(nil, pebble.Sync)
	if err == nil && !s.db.Failed() {
		err = s.acknowledged.raise(head)
	}
	if err != nil {
		s.db.Fail(err)
	}
}
