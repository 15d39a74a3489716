package disklog

import (
	"context"
	"errors"

	"github.com/tidings-sse/tidings/eventlog"
)

// The time of the newest record decides about later records. A cut goes back to an older record, which retention may have removed.
// So a mirror notes the times of its records in the last hour.

func timeKey(b []byte, seq uint64) []byte { return appendSeq(append(b, kindTime), seq) }

// noteTime notes the time of the commit for a record that is the first to have it.
func (c *commit) noteTime(seq uint64) error {
	c.key = timeKey(c.key[:0], seq)
	c.value = appendNumbers(c.value[:0], c.now)
	return c.batch.Set(c.key, c.value, nil)
}

// times removes the times after the cut, and sets the time of the head to the last one before it. noted is false if there is none.
func (c *cutter) times() (noted bool, err error) {
	if c.it.SeekLT(timeKey(nil, c.after+1)) && c.it.Key()[0] == kindTime {
		if _, noted = cutNumbers(c.it.Value(), &c.head.time); !noted {
			return false, corrupt("time", "it is cut off")
		}
	}
	return noted, errors.Join(c.it.Error(), c.batch.DeleteRange(timeKey(nil, c.after+1), []byte{kindTime + 1}, nil))
}

// forgetTimes deletes the times that are too old for a cut, except the newest of them.
func (l *Log) forgetTimes(ctx context.Context) error {
	if !l.opts.Mirror {
		return nil
	}
	return l.chunks(ctx, (*chunk).forgetTimes)
}

func (k *chunk) forgetTimes() (done bool, err error) {
	now, before := k.s.time.Load(), uint64(0)
	n := 0
	for ok := k.it.SeekGE([]byte{kindTime}); ok && k.it.Key()[0] == kindTime; ok = k.it.Next() {
		var at uint64
		if _, whole := cutNumbers(k.it.Value(), &at); !whole {
			return true, corrupt("time", "it is cut off")
		}
		if now-min(at, now) <= uint64(eventlog.UndoTime.Milliseconds()) {
			break
		}
		before = seqOf(k.it.Key())
		if n++; n > chunkRecords {
			break
		}
	}
	if before > 0 && n > 1 {
		k.fail(k.batch.DeleteRange(timeKey(nil, 0), timeKey(nil, before), nil))
	}
	return n <= chunkRecords, errors.Join(k.err, k.it.Error())
}
