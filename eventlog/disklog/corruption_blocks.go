package disklog

import (
	"math"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"
)

// Each block of a table is tagged with the range of the records in it. Iterators over records read no other blocks, so that
// damage elsewhere does not stop them.

// blockRange is the name of the tag in tables, part of the format.
const blockRange = "tidings.records"

// recordRange is sstable.IntervalMapper.
type recordRange struct{}

// MapPointKey implements sstable.IntervalMapper.
func (recordRange) MapPointKey(key pebble.InternalKey, _ []byte) (sstable.BlockInterval, error) {
	if len(key.UserKey) != 9 || key.UserKey[0] != kindEvent {
		return sstable.BlockInterval{}, nil
	}
	seq := seqOf(key.UserKey)
	return sstable.BlockInterval{Lower: seq, Upper: seq + 1}, nil
}

// MapRangeKeys implements sstable.IntervalMapper. The log has no range keys.
func (recordRange) MapRangeKeys(sstable.Span) (sstable.BlockInterval, error) {
	return sstable.BlockInterval{}, nil
}

func collectRanges() pebble.BlockPropertyCollector {
	return sstable.NewBlockIntervalCollector(blockRange, recordRange{}, nil)
}

// recordsIn returns the options of an iterator over the records in a range. Filters cost something per block, so they are used only
// once damage was found; reads that meet damage try again with them.
func (d *damage) recordsIn(s span) *pebble.IterOptions {
	o := &pebble.IterOptions{LowerBound: eventKey(nil, s.from), UpperBound: eventKey(nil, s.to+1)}
	if s.to == math.MaxUint64 {
		o.UpperBound = []byte{kindEvent + 1}
		s.to--
	}
	if d.found.Load() {
		o.UseL6Filters = true
		o.PointKeyFilters = append(make([]pebble.BlockPropertyFilter, 0, 2), // Pebble adds one of its own
			sstable.NewBlockIntervalFilter(blockRange, s.from, s.to+1, nil))
	}
	return o
}

var allRecords = span{0, math.MaxUint64}
