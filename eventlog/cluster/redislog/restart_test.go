//go:build programs

package redislog_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/tidings-sse/tidings/eventlog/cluster"
	"github.com/tidings-sse/tidings/eventlog/cluster/redislog"
)

// TestRestartOfRedisIsNoticed kills Redis as a crash does. Its settings decide which messages survive; the restart is always noticed.
func TestRestartOfRedisIsNoticed(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		settings []string
		kept     bool // all acknowledged messages are still there
	}{
		{"always", []string{"--appendonly", "yes", "--appendfsync", "always"}, true},
		{"everysec", []string{"--appendonly", "yes", "--appendfsync", "everysec"}, true}, // a crash of the process is no power failure
		{"no", []string{"--appendonly", "yes", "--appendfsync", "no"}, true},
		{"memory", []string{"--appendonly", "no"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := startServer(t, test.settings...)
			o := created(t, &redislog.Options{URL: s.url()})
			before := bounds(t, o)
			follower := follow(t, o, 1)
			var ids []cluster.ID
			for i := range 20 {
				ids = append(ids, publish(t, o, fmt.Sprint(i))...)
				follower.next(t)
			}
			s.restart(t)
			if err := follower.end(t); err == nil {
				t.Error("Follow returned nil")
			}
			if !test.kept {
				if _, err := o.Bounds(t.Context()); !errors.Is(err, cluster.ErrMissing) {
					t.Errorf("Bounds after the loss of everything: %v", err)
				}
				return
			}
			// Until the hub has seen the new identity, no message may be appended after messages that may be lost.
			err := o.Publish(t.Context(), before.Identity, newID(), []byte("too early"))
			if refused, ok := errors.AsType[*cluster.RefusedError](err); !ok || !refused.Later || !errors.Is(err, cluster.ErrReplaced) {
				t.Errorf("Publish before the hub knows of the restart: %v", err)
			}
			if err := o.Follow(t.Context(), 21, func([]cluster.Message) error { return nil }); !errors.Is(err, cluster.ErrReplaced) {
				t.Errorf("Follow before the hub knows of the restart: %v", err)
			}
			// The answer to a repeated message is that it is stored, because it was stored before the restart.
			if err := o.Publish(t.Context(), before.Identity, ids[19], []byte("19")); err != nil {
				t.Errorf("Publish of a stored message: %v", err)
			}
			after := bounds(t, o)
			if after.Identity == before.Identity || after.Last != 20 {
				t.Errorf("%+v before, %+v after", before, after)
			}
			for i, id := range ids {
				if m, err := o.Message(t.Context(), uint64(i+1)); err != nil || m.ID != id {
					t.Errorf("Message(%d) = %v, %v, want %v", i+1, m.ID, err, id)
				}
			}
			follower = follow(t, o, 21)
			id := publish(t, o, "next")[0]
			if m := follower.next(t); m.ID != id || m.Seq != 21 {
				t.Errorf("message %d %v, want 21 %v", m.Seq, m.ID, id)
			}
		})
	}
}

// TestReplacedHistoryEndsFollow gives message 3 twice, without a restart: the keys are put back to an older state, as from a backup.
func TestReplacedHistoryEndsFollow(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	o := created(t, &redislog.Options{URL: s.url()})
	publish(t, o, "1", "2")
	early := save(t, s)
	publish(t, o, "3")
	following := follow(t, o, 1)
	for range 3 {
		following.next(t)
	}
	early.restore(t)
	publisher := open(t, &redislog.Options{URL: s.url()})
	publish(t, publisher, "other 3", "4")
	if err := following.end(t); !errors.Is(err, cluster.ErrReplaced) {
		t.Errorf("Follow has returned %v", err)
	}
	// The same handle must not continue, even if no caller has compared identifiers in between.
	if err := o.Follow(t.Context(), 4, func([]cluster.Message) error { return errors.New("a message was passed on") }); !errors.Is(err, cluster.ErrReplaced) {
		t.Errorf("Follow again has returned %v", err)
	}
	// After the caller has read the new message 3, as with a snapshot from another hub, it can continue from there.
	if m, err := o.Message(t.Context(), 3); err != nil || string(m.Data) != "other 3" {
		t.Errorf("Message(3) = %q, %v", m.Data, err)
	}
	if m := follow(t, o, 4).next(t); string(m.Data) != "4" {
		t.Errorf("message 4 is %q", m.Data)
	}
}

// TestReplacedEndEndsFollow gives the newest number again and stores no message after it. Follow must notice that the last message which it
// passed on is gone.
func TestReplacedEndEndsFollow(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	o := created(t, &redislog.Options{URL: s.url()})
	publish(t, o, "1")
	early := save(t, s)
	publish(t, o, "other 2")
	other := save(t, s)
	early.restore(t)
	publish(t, o, "2")
	following := follow(t, o, 1)
	following.next(t)
	following.next(t)
	other.restore(t)
	if err := following.end(t); !errors.Is(err, cluster.ErrReplaced) {
		t.Errorf("Follow has returned %v", err)
	}
}

// TestLostEndEndsFollow removes the newest messages.
func TestLostEndEndsFollow(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	o := created(t, &redislog.Options{URL: s.url()})
	publish(t, o, "1")
	early := save(t, s)
	publish(t, o, "2", "3")
	following := follow(t, o, 1)
	for range 3 {
		following.next(t)
	}
	early.restore(t)
	back, ok := errors.AsType[*cluster.BackError](following.end(t))
	if !ok || back.Last != 1 {
		t.Errorf("Follow has returned %v, want that the order ends with message 1", back)
	}
}

// backup is a copy of a shared log.
type backup struct {
	server    *server
	log, meta any
}

func save(t *testing.T, s *server) backup {
	t.Helper()
	return backup{s, s.do(t, "DUMP", "{tidings}:log"), s.do(t, "DUMP", "{tidings}:meta")}
}

// restore puts the shared log back, in one step.
func (b backup) restore(t *testing.T) {
	t.Helper()
	const script = "for i = 1, 2 do redis.call('RESTORE', KEYS[i], 0, ARGV[i], 'REPLACE') end return 1"
	b.server.do(t, "EVAL", script, 2, "{tidings}:log", "{tidings}:meta", b.log, b.meta)
}
