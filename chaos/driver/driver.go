// Package driver says how to start the hubs under test, and how to speak to them. To test other hubs, implement [Driver] for them and add
// it to [Drivers]: they need a way to publish with HTTP, and event streams whose events have positions.
package driver

import (
	"context"
	"net/http"
	"os/exec"
	"time"

	"github.com/tidings-sse/tidings/chaos/history"
	"github.com/tidings-sse/tidings/sse"
)

// Driver starts hubs and speaks to them. Hubs are numbered from 1. The methods are called concurrently, except Nodes.
type Driver interface {
	// Nodes returns the processes in this order: the hubs first, then the others that they need, such as a broker. Nodes that others need
	// to start are started early enough if all are started at once.
	Nodes() []Node

	Features() Features

	// Publish returns the request that publishes events. There are several only with Features.Batches.
	Publish(ctx context.Context, hub int, events []Sent) (*http.Request, error)

	// Answer interprets the answer to Publish. It returns the positions of all events, or none.
	Answer(status int, body []byte, events []Sent) (history.Outcome, []history.Position)

	// Subscribe returns the request for a stream. after has at most one position per order: the last that the subscriber has.
	Subscribe(ctx context.Context, hub int, sel history.Selection, after map[string]history.Position) (*http.Request, error)

	// Parse interprets an event of a stream, for a subscriber that has these positions now.
	Parse(e sse.Event, after map[string]history.Position) ([]Seen, error)

	// Replace is called while a hub is stopped whose directory is about to be lost for good: it will start with an empty one.
	Replace(ctx context.Context, hub int) error

	// Dump returns the content of a hub: all of it, at least that of the given topics. With Features.DumpStopped no node runs, else all
	// do.
	Dump(ctx context.Context, hub int, topics []string) ([]history.Entry, error)
}

// Reader is a driver whose hubs return the content of a topic.
type Reader interface {
	// Read returns the request for all events of a topic, and Contents their data in order.
	Read(ctx context.Context, hub int, topic string) (*http.Request, error)
	Contents(body []byte) ([]string, error)
}

// Mender is a driver whose hubs take a copy of another hub's data if theirs is damaged.
type Mender interface {
	// Whole reports whether a hub has looked at all its data, and has found no damage that is not mended.
	Whole(ctx context.Context, hub int) bool
}

// Opener is a driver whose hubs send information in the header of a stream.
type Opener interface {
	Opened(header http.Header, after map[string]history.Position) []Seen
}

// Sent is an event with its content.
type Sent struct {
	history.Sent
	Data string // without control characters and characters that JSON escapes
}

// Seen is the meaning of one event of a stream.
type Seen struct {
	Kind   history.Kind      // Event, Checkpoint, Gap, Ended or Retry
	ID     *history.Position // of an event or checkpoint
	To     *history.Position // of a gap, if it has an end
	Data   string            // of an event
	Topics []string          // of an event, if the stream has them, or of an end
	Why    string            // of a gap
}

// Node is a process.
type Node struct {
	Name  string
	Hub   int                            // its number; 0 for a process beside the hubs
	Start func() (*exec.Cmd, error)      // returns a new command for each start
	Ready func(ctx context.Context) bool // reports whether it is ready
	Dirs  []string                       // its data; the first is its own directory, the others are parts that single faults damage
	Grace time.Duration                  // for which it may take to end after SIGTERM; 0 means 30 s
}

// Features are the abilities and the promises of the hubs.
type Features struct {
	history.Promise

	Patterns    bool // subscriptions by pattern
	ManyTopics  bool // several topics per event
	Batches     bool // several events per request
	Order       bool // the first of Node.Dirs[1:] of the hubs is their order, and the rest mirrors it
	DumpStopped bool // Dump reads the files of stopped nodes
}
