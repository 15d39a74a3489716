package natslog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/tidings-sse/tidings/eventlog/cluster"
)

// fetch passes on messages by direct gets until a replica has no more that the leader has, too.
func (f *follower) fetch(ctx context.Context) error {
	for again := true; again; {
		batch, more, err := f.get(ctx)
		if err != nil {
			return err
		}
		if again, err = f.pass(ctx, batch, more); err != nil {
			return err
		}
	}
	return nil
}

// skip is called if a replica lacks the next message but has later ones. The replica may be damaged, so the leader decides.
func (f *follower) skip(ctx context.Context) error {
	m, err := f.o.Message(ctx, f.next)
	if err != nil {
		return err
	}
	return f.deliver([]cluster.Message{m})
}

// tries is how often a direct get is repeated. The first attempts are short, because servers choose a replica at random and one that is
// paused does not answer. Later ones leave time for a large message on a slow link.
const tries = 6

// get asks a replica for messages from the next one on. It reports whether the replica has more of them.
func (f *follower) get(ctx context.Context) (batch []cluster.Message, more bool, err error) {
	for try := range tries {
		if batch, more, err = f.ask(ctx, quietTime<<try); err == nil || ctx.Err() != nil {
			return batch, more, ctx.Err()
		}
		if errors.Is(err, nats.ErrNoResponders) { // either the stream or its servers are gone
			if compared := f.compare(ctx); compared != nil {
				return nil, false, compared
			}
		}
		if len(batch) > 0 { // the rest can be asked for again
			return batch, true, nil
		}
	}
	return nil, false, err
}

// ask makes one direct get. Each part of the answer may take until wait has passed.
//
// The server sends the messages one by one, and last a status: 204 with the number of messages that are left, or 404 if there are none.
func (f *follower) ask(ctx context.Context, wait time.Duration) (batch []cluster.Message, more bool, err error) {
	f.asked++
	reply := f.inbox + "." + strconv.Itoa(f.asked)
	question, err := json.Marshal(map[string]any{"seq": f.next, "next_by_subj": f.made.subject, "batch": fetchMessages, "max_bytes": fetchBytes})
	if err != nil {
		return nil, false, err
	}
	if err := f.o.nc.PublishRequest("$JS.API.DIRECT.GET."+f.o.o.Stream, reply, question); err != nil {
		return nil, false, errors.Join(f.o.plainly(err), pause(ctx, wait))
	}
	for {
		part, cancel := context.WithTimeout(ctx, wait)
		m, err := f.answer.NextMsgWithContext(part)
		cancel()
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			return batch, false, errQuiet
		case err != nil:
			return batch, false, f.o.plainly(err)
		case m.Subject != reply:
			continue // a late answer to an earlier question
		}
		switch status := m.Header.Get("Status"); status {
		case "":
			stored, err := f.o.stored(m, f.made.subject)
			if err != nil {
				return batch, false, err
			}
			batch = append(batch, stored)
		case "204":
			return batch, m.Header.Get("Nats-Num-Pending") != "0", nil
		case "404":
			return nil, false, nil
		case "503":
			return nil, false, errors.Join(f.o.plainly(nats.ErrNoResponders), pause(ctx, wait))
		default:
			return batch, false, fmt.Errorf("natslog: a direct get fails: %s %s", status, m.Header.Get("Description"))
		}
	}
}

// pause waits between attempts that fail at once.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
