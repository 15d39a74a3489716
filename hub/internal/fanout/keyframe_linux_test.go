package fanout

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
	"unsafe"
)

// TestGroupIsInStepAfterASilence: heartbeats put all members out of step, and the next event is a key frame.
func TestGroupIsInStepAfterASilence(t *testing.T) {
	f, log, readers := members(t, fewestSharing+2)
	made := random{1}
	for range 3 {
		made.publish(t, log, 1)
		for _, r := range readers {
			r.upTo(log.Head().Seq, made.data)
		}
		if in, live := inStep(f); in != live {
			t.Fatalf("%d of %d members are in step", in, live)
		}
		f.shards[0].await(func() {
			for _, g := range f.shards[0].groups {
				for _, m := range g.live {
					m.sub.heartbeat()
				}
			}
		})
		if in, _ := inStep(f); in > 0 {
			t.Fatalf("%d members are in step after their heartbeats", in)
		}
	}
}

// TestGroupsTakeTurnsWithTheCompressors: more groups than a shard has compressors.
func TestGroupsTakeTurnsWithTheCompressors(t *testing.T) {
	oneShard(t)
	f, log := start(t)
	made := random{1}
	var readers []*reader
	for i := range compressorsMost + 2 {
		for range fewestSharing {
			readers = append(readers, reads(t, f, log.Head(), func(_, _ *net.TCPConn, s *Subscription) {
				s.Heartbeat = time.Duration(10+i) * time.Second // a group of its own
			}))
		}
	}
	awaitLive(t, f, len(readers))
	for range 30 {
		made.publish(t, log, 1)
		for _, r := range readers {
			r.upTo(log.Head().Seq, made.data)
		}
	}
	if in, live := inStep(f); in != live {
		t.Errorf("%d of %d members are in step", in, live)
	}
	f.shards[0].await(func() {
		if n := len(f.shards[0].compressors); n != compressorsMost {
			t.Errorf("the shard has %d compressors", n)
		}
	})
}

// TestRevocationEndsACompressedStream: its last message can be read, and the others of the group go on.
func TestRevocationEndsACompressedStream(t *testing.T) {
	f, log, readers := members(t, fewestSharing+1)
	made := random{1}
	c := &revocable{closed: make(chan End, 1)}
	revoked := reads(t, f, log.Head(), func(_, _ *net.TCPConn, s *Subscription) { s.Client = c })
	awaitLive(t, f, len(readers)+1)
	made.publish(t, log, 5)
	revoked.upTo(log.Head().Seq, made.data)
	c.revoked.Store(true)
	f.EndRevoked()
	if e := <-c.closed; e.Reason != Revoked {
		t.Errorf("the stream ended for the reason %v", e.Reason)
	}
	made.publish(t, log, 5)
	if line := <-revoked.lines; !strings.HasPrefix(line, fmt.Sprint("leaving ", log.Head().Seq-5)) {
		t.Errorf("the last message is %q", line)
	}
	if err := <-revoked.ended; !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the stream ends with %v", err)
	}
	for _, r := range readers {
		r.upTo(log.Head().Seq, made.data)
	}
}

// TestStalledMembersShareTheirBytes: each member that did not read had a copy of a large event, 100 MB for 100 members.
func TestStalledMembersShareTheirBytes(t *testing.T) {
	s := &shard{packed: []byte("compressed"), parts: []part{{size: 4}, {size: 6}}}
	a, b := s.appendForm(nil, nil, true), s.appendForm(nil, nil, true)
	if len(a) != 2 || a[0].text+a[1].text != "compressed" {
		t.Fatalf("%+v", a)
	}
	for i := range a {
		if unsafe.StringData(a[i].text) != unsafe.StringData(b[i].text) {
			t.Errorf("part %d is copied for each member", i)
		}
	}
}
