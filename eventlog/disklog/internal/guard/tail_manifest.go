package guard

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// manifestState is what the manifest says about the write-ahead logs.
//
// The end of a manifest may be missing after a crash without a trace in the file itself: no byte follows it. But each entry has the number of the last
// operation before it, and an entry that adds a table removes the log with the operations of that table. So the first batch of the logs that remain
// shows that such an entry is missing. A manifest begins with the state of the one before it, without such a number, and a second entry, which is
// written before the manifest counts.
type manifestState struct {
	entries int    // number of entries so far
	needed  uint64 // the first write-ahead log with entries that are not in tables yet; 0: any
	by      int    // the number of the entry that named it; 0: none
	since   uint64 // the newest operation when that entry was written, or the second one if the first has named it
	known   bool   // whether since is
}

// contradicts says why the first batch of the logs that remain, which begins with an operation, proves that entries are missing. It returns "" if
// the batch does not.
//
// Later entries do not count: they may have been written when the log had newer operations, for a compaction or for an older table. If the log that is
// needed does not exist, then Pebble has only reserved its number, in the second entry of a manifest, when it opened the store. The next
// log then begins with the next operation.
func (m *manifestState) contradicts(log string, first uint64, names []string) string {
	var number uint64
	reserved := !slices.ContainsFunc(names, func(name string) bool {
		_, err := fmt.Sscanf(name, "%d.log", &number)
		return err == nil && number == m.needed
	})
	switch {
	case !m.known:
	case first > max(m.since+1, firstOperation), m.by == 2 && reserved && first <= m.since:
		return fmt.Sprintf("after operation %d, and the write-ahead log %s begins with operation %d", m.since, log, first)
	case m.by > 2 && reserved:
		return fmt.Sprintf("and says that log %06d is needed, which does not exist, while log %s does", m.needed, log)
	}
	return ""
}

// firstOperation is the number of the first operation of a store (SeqNumStart of package base).
const firstOperation = 10

// edit reads the beginning of an entry: a sequence of tags and values.
func (m *manifestState) edit(edit []byte) error {
	const comparer, logNumber, nextFile, lastOperation, oldLog = 1, 2, 3, 4, 9
	m.entries++
	for {
		tag, rest := cutNumber(edit)
		n, rest := cutNumber(rest)
		switch tag {
		case comparer: // a string
			if n > uint64(len(rest)) {
				m.known = false
				return nil
			}
			rest = rest[n:]
		case logNumber:
			m.needed, m.by, m.since = n, m.entries, 0
		case nextFile, oldLog:
		case lastOperation:
			if m.since == 0 {
				m.since = n
			}
			return nil
		default:
			m.known = false // nothing else comes before the number in stores of this program
			return nil
		}
		edit = rest
	}
}

// cutNumber returns the varint at the beginning of b and what follows. It returns 0 and nothing if there is none.
func cutNumber(b []byte) (n uint64, rest []byte) {
	n, size := binary.Uvarint(b)
	if size <= 0 {
		return 0, nil
	}
	return n, b[size:]
}
