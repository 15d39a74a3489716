package cluster

import (
	"fmt"
	"strings"

	"github.com/tidings-sse/tidings/eventlog"
)

// Describe describes a message in one line, for the traces of simulations.
func Describe(m *Message) string {
	var b strings.Builder
	id := short(m)
	fmt.Fprintf(&b, "%d %x of %x/%d", m.Seq, id[:3], m.ID[:3], m.ID[15])
	f, err := decodeFrame(m.Data)
	if err != nil {
		return b.String() + " " + err.Error()
	}
	fmt.Fprintf(&b, " after %d %x", f.known.seq, f.known.chain[:3])
	if stale(m, &f) {
		b.WriteString(" stale")
	}
	if f.control != nil {
		return b.String() + " " + string(f.control)
	}
	for _, batch := range f.batches {
		for i := range batch.records {
			fmt.Fprintf(&b, " %q", batch.records[i].Data)
			if batch.records[i].Flags&eventlog.End != 0 {
				b.WriteString(" (end)")
			}
		}
		b.WriteString(";")
	}
	return b.String()
}

// BeginOf returns the generation that a message begins, if its predecessor is in force; empty: none. A message that all hubs pass over begins none.
func BeginOf(m *Message) string {
	f, err := decodeFrame(m.Data)
	if err != nil || f.control == nil || stale(m, &f) {
		return ""
	}
	if c, err := decodeControl(f.control); err == nil && c.Begin != nil {
		return c.Begin.Gen
	}
	return ""
}

// HasGeneration reports whether a mirror with a state has records of a generation. One whose process ended before it had stored any has none.
func HasGeneration(state []byte) bool {
	p, err := decodePlace(state)
	return err == nil && p.gen != ""
}

// Disputed is the log message of a hub that has decided otherwise than another one.
const Disputed = decidedDifferently

// KnownClocks returns how many clocks of other hubs are known.
func (l *Log) KnownClocks() int { return len(l.clocks.others(nil)) }
