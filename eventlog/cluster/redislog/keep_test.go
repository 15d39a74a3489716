//go:build programs

package redislog_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/eventlog/cluster"
	"github.com/tidings-sse/tidings/eventlog/cluster/redislog"
)

// TestRedisKeepsSoManyBytes publishes messages of very different sizes. Neither many small ones nor few large ones may fill the memory.
func TestRedisKeepsSoManyBytes(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	const keep = 16 << 20
	o := created(t, &redislog.Options{URL: s.url(), KeepBytes: keep})
	small, large := strings.Repeat("s", 2000), strings.Repeat("l", 3<<20)
	held := func() (bytes int) {
		b := bounds(t, o)
		for seq := b.First; seq <= b.Last; seq++ {
			bytes += 150 + len(small)
			if seq%100 == 0 {
				bytes += len(large) - len(small)
			}
		}
		return bytes
	}
	for seq := 1; seq <= 1200; seq++ {
		if seq%100 == 0 {
			publish(t, o, large)
		} else {
			publish(t, o, small)
		}
	}
	if bytes := held(); bytes < keep-4<<20 || bytes > keep+keep/16+4<<20 {
		t.Errorf("Redis keeps %d bytes, want about %d", bytes, keep)
	}
	used, err := strconv.Atoi(s.info(t, "used_memory"))
	if err != nil || used > 2*keep {
		t.Errorf("Redis uses %d bytes for %d", used, keep)
	}
	b := bounds(t, o)
	following := follow(t, o, b.First)
	for seq := b.First; seq <= b.Last; seq++ {
		if m := following.next(t); m.Seq != seq {
			t.Fatalf("message %d, want %d", m.Seq, seq)
		}
	}
}

// TestIdentifiersAreRememberedForTwoMinutesAndForgottenLater moves the times in meta instead of waiting.
func TestIdentifiersAreRememberedForTwoMinutesAndForgottenLater(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	o := created(t, &redislog.Options{URL: s.url()})
	earlier := func(d time.Duration) {
		since, err := strconv.ParseInt(fmt.Sprint(s.do(t, "HGET", "{tidings}:meta", "since")), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		s.do(t, "HSET", "{tidings}:meta", "since", since-d.Milliseconds())
	}
	again := func(id cluster.ID) (stored bool) {
		before := bounds(t, o).Last
		if err := o.Publish(t.Context(), "", id, []byte("again")); err != nil {
			t.Fatal(err)
		}
		return bounds(t, o).Last > before
	}
	publish(t, o, "0")
	earlier(119 * time.Second)
	id := publish(t, o, "1")[0] // into a set that is almost two minutes old
	earlier(2 * time.Second)
	publish(t, o, "2") // begins the other set
	if again(id) {
		t.Error("a message was stored again two seconds later")
	}
	earlier(119 * time.Second)
	publish(t, o, "3")
	if again(id) {
		t.Error("a message was stored again within two minutes")
	}
	earlier(2 * time.Second)
	publish(t, o, "4") // empties the set of id
	if !again(id) {
		t.Error("an identifier is remembered for more than four minutes, so memory grows")
	}

	// The clock of a new master may be far behind. It must still know the messages that were stored just before.
	id = publish(t, o, "5")[0]
	earlier(-24 * time.Hour)
	publish(t, o, "6")
	if again(id) {
		t.Error("a message was stored again after the clock went back")
	}
	for range 2 {
		earlier(121 * time.Second)
		publish(t, o, "7")
	}
	if !again(id) {
		t.Error("after the clock went back by a day, identifiers are remembered for a day")
	}
}

// TestWaitIsForReplicas: with WaitReplicas a message is acknowledged and passed on when a replica has it, not earlier. Publishing it again
// changes nothing.
func TestWaitIsForReplicas(t *testing.T) {
	t.Parallel()
	a, b := startServer(t), startServer(t)
	replicate(t, b, a)
	o := created(t, &redislog.Options{URL: a.url(), WaitReplicas: 1})
	for i := range 50 {
		id := publish(t, o, fmt.Sprint(i))[0]
		name := fmt.Sprintf("%d-0", i+1)
		if got := fmt.Sprint(b.do(t, "XRANGE", "{tidings}:log", name, name)); !strings.Contains(got, id.String()) {
			t.Fatalf("message %d is acknowledged, and the replica has %s", i+1, got)
		}
	}
	a.do(t, "SCRIPT", "FLUSH")
	publish(t, o, "after the script was forgotten")

	following := follow(t, o, 1)
	for range 51 {
		following.next(t)
	}

	b.pause(t)
	id := newID()
	for range 2 { // stored the first time, and known the second
		err := o.Publish(t.Context(), "", id, []byte("x"))
		if _, refused := errors.AsType[*cluster.RefusedError](err); err == nil || refused {
			t.Errorf("Publish while no replica answers: %v, want an error that leaves it open", err)
		}
	}
	if err := following.end(t); err == nil || !strings.Contains(err.Error(), "0 of 1 replicas") {
		t.Errorf("Follow has returned %v, want that a replica is missing", err)
	}
	if len(following.messages) > 0 {
		t.Error("a message was passed on that no replica has")
	}
	b.resume(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for o.Publish(ctx, "", id, []byte("x")) != nil {
		if ctx.Err() != nil {
			t.Fatal("Publish fails although the replica is back")
		}
	}
	if m := follow(t, o, 52).next(t); m.ID != id {
		t.Errorf("message %d is %v, want %v", m.Seq, m.ID, id)
	}
	if got := bounds(t, o); got.Last != 52 {
		t.Errorf("%d messages, want 52", got.Last)
	}
}

func TestDurabilityIsSaidAsRedisHasIt(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	o := open(t, &redislog.Options{URL: s.url()})
	for _, test := range []struct {
		appendonly, fsync, words string
	}{
		{"no", "everysec", "lost when Redis stops"},
		{"yes", "always", "survives a power failure"},
		{"yes", "everysec", "last second"},
		{"yes", "no", "half minute"},
	} {
		s.do(t, "CONFIG", "SET", "appendonly", test.appendonly)
		s.do(t, "CONFIG", "SET", "appendfsync", test.fsync)
		if d, err := o.Check(t.Context()); err != nil || !strings.Contains(d.String(), test.words) {
			t.Errorf("appendonly %s, appendfsync %s: %q, %v, want %q", test.appendonly, test.fsync, d, err, test.words)
		}
	}
}
