package eventlog

import (
	"context"
	"time"
)

// Awaiter is a log that follows another one, and may be behind it.
type Awaiter interface {
	// Await waits until the log gives its final answer about a position: Read finds all records after it, or reports a gap. Until then
	// the position may be unknown here only because the log is behind. Await returns the error of the context if it ends first.
	Await(ctx context.Context, p Position) error
}

// Contact is a log that depends on a shared log elsewhere.
type Contact interface {
	// Contact returns the last time at which the log knew that it could see every record that others append. Without contact a
	// log can serve the records that it has, but no new ones.
	Contact() time.Time
}

// Shared is the log of a hub that is one of several with the same records. It has a channel between the hubs, for messages that
// must not wait for the log or do not belong in it.
type Shared interface {
	// Status describes the log's place among the others.
	Status() SharedStatus

	// Broadcast sends data to all hubs that listen, this one included. A hub that is out of reach does not get it later. Listen calls f
	// with the data, one call at a time, until stop is called; f must not block.
	Broadcast(ctx context.Context, data []byte) error
	Listen(f func(data []byte)) (stop func(), err error)
}

// Copier is a log that may replace its records by a copy of another hub's log.
type Copier interface {
	// Copies returns how many times the log has done so. The copy may have records that the log lacked, also before the positions of
	// readers, who get no gap for them. The number rises after the replacement, and Watch then receives a value.
	Copies() uint64
}

// SharedStatus is the state of a [Shared] log.
type SharedStatus struct {
	Message uint64    // number of the last message of the shared log that is in this log
	Last    uint64    // number of its newest message, at the last contact; the difference is the lag
	Contact time.Time // see [Contact]
	Trouble string    // for people: why the log cannot follow the shared log; empty: it can
}
