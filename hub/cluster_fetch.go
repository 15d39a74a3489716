package hub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub/internal/peers"
)

// ErrNoSnapshot says that no other hub of the cluster has later messages.
var ErrNoSnapshot = errors.New("hub: no other hub of the cluster has later messages")

// FetchSnapshot asks the other hubs of a cluster for a copy of their log that has a later message of the shared log than after. It returns what
// [ClusterOptions.Snapshot] of such a hub writes; the caller reads it to its end and closes it. An error while reading means that the copy
// is not complete.
//
// FetchSnapshot asks the hubs to announce themselves, and listens for 3 seconds, or until it has heard all of them; hubs is their number with
// this one, 0 if it is not known. It returns [ErrNoSnapshot] only if all of them were heard and none has a later message; if their number is not
// known, all that answer count.
func FetchSnapshot(ctx context.Context, log eventlog.Shared, o *ClusterOptions, hubs int, after uint64) (io.ReadCloser, error) {
	if len(o.Key) == 0 {
		return nil, errors.New("hub: a copy of another hub's log needs the key of the cluster")
	}
	others, err := listen(ctx, log, o.Name, hubs)
	if err != nil {
		return nil, err
	}
	client := peers.Client{Key: o.Key}
	slices.SortFunc(others, func(a, b peers.Hub) int { return cmp.Compare(b.Message, a.Message) })
	var failed []error
	for i := range others {
		if others[i].Message <= after {
			break
		}
		body, err := client.Open(ctx, &others[i], "/api/v1/peer/snapshot")
		if err == nil {
			return body, nil
		}
		failed = append(failed, err)
	}
	switch {
	case len(failed) > 0:
		return nil, errors.Join(failed...)
	case len(others) >= hubs-1:
		return nil, ErrNoSnapshot
	}
	return nil, fmt.Errorf("hub: only %d of %d other hubs of the cluster were heard, and none of them has later messages", len(others), max(hubs-1, 0))
}

const listenTime = 3 * time.Second

// listen returns the other hubs that announce themselves.
func listen(ctx context.Context, log eventlog.Shared, name string, hubs int) ([]peers.Hub, error) {
	var table peers.Table
	heard := make(chan struct{}, 1)
	stop, err := log.Listen(func(data []byte) {
		if m, err := peers.Decode(data); err == nil && table.Receive(&m, time.Now()) {
			select {
			case heard <- struct{}{}:
			default:
			}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("hub: listening to the other hubs: %w", err)
	}
	defer stop()
	if err := log.Broadcast(ctx, (&peers.Message{Who: true}).Encode()); err != nil {
		return nil, fmt.Errorf("hub: asking the other hubs: %w", err)
	}
	enough := time.After(listenTime)
	for {
		select {
		case <-heard:
			if others := table.Others(name, time.Now()); hubs > 0 && len(others) >= hubs-1 {
				return others, nil
			}
		case <-enough:
			return table.Others(name, time.Now()), nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
