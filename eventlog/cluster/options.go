package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/tidings-sse/tidings/eventlog"
)

// Options are the options of [Open]. Nil and the zero value mean the defaults.
type Options struct {
	// Name is the name of this hub in messages and audits. Empty: a random one.
	Name string

	// Retention has to be that of the cluster; the first hub of a cluster defines it. Nil: the hub takes that of the cluster, and the
	// defaults if it is the first one.
	Retention *eventlog.Retention

	// Hubs is the number of hubs that the cluster should have. Only a majority of them makes a shared log that does not exist. 0: not
	// known. Then a hub without records makes it, and a hub with records waits for [Log.Reset].
	Hubs int

	// Snapshot copies the mirror of another hub, and returns a function that replaces this hub's mirror with the copy and opens it. The old
	// mirror can be read until that function is called, which closes it. The log calls Snapshot if the order has dropped messages that the
	// mirror lacks, or if the mirror is damaged or has decided differently.
	//
	// A copy is useful if it has a message of the order later than after. If after is 0, any copy is useful, even an older one. The error is
	// [ErrNoSnapshot] only if every other hub of the cluster has answered that it has no useful copy. Then the log skips dropped messages once
	// all other hubs lack them, too.
	//
	// Nil: there are no other hubs to ask, and the log skips dropped messages at once.
	Snapshot func(ctx context.Context, after uint64) (replace func() (eventlog.Mirror, error), err error)

	Logger *slog.Logger // for messages about the background work; nil: slog.Default
}

// ErrNoSnapshot says that no hub has a useful snapshot.
var ErrNoSnapshot = errors.New("cluster: no other hub has later messages")

// ErrUnknown says that the outcome of an Append is not known: the records may be stored, or may be stored later. It matches [eventlog.ErrUnknown].
var ErrUnknown = fmt.Errorf("cluster: %w, because the shared log has not answered; append them again with the same keys", eventlog.ErrUnknown)

// ForeignError says that a mirror and an order do not belong together.
type ForeignError struct {
	Gen     string // of the mirror
	Message uint64 // its last message
}

func (e *ForeignError) Error() string {
	if e.Gen == "" {
		return "cluster: the log of this hub is that of a hub alone, and the cluster exists already: a hub cannot bring its events into it; " +
			"start this hub with an empty directory, or publish the events again"
	}
	return "cluster: the log of this hub, of generation " + e.Gen + ", is not a copy of the shared log, which has none of the messages that it knows; " +
		"it belongs to another cluster, or the shared log was replaced by a backup that is too old; remove the hub's log, or reset the cluster"
}
