package ordertest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidings-sse/tidings/eventlog/cluster"
)

var appending = []promise{
	{"EveryFollowerSeesTheSameOrder", func(b *bench) {
		const each = 50
		handles := []cluster.Order{b.open(), b.open(), b.open()}
		sent := map[cluster.ID]string{}
		var mu sync.Mutex
		var group sync.WaitGroup
		for i, o := range handles {
			group.Go(func() {
				for j := range each {
					id, text := newID(), fmt.Sprint(i, j)
					if err := o.Publish(b.ctx(), "", id, []byte(text)); err != nil {
						b.Errorf("Publish: %v", err)
					}
					mu.Lock()
					sent[id] = text
					mu.Unlock()
				}
			})
		}
		group.Wait()
		want := b.follow(handles[0], 1, len(handles)*each)
		for _, o := range handles[1:] {
			if diff := cmp.Diff(want, b.follow(o, 1, len(want))); diff != "" {
				b.Errorf("two hubs see different messages:\n%s", diff)
			}
		}
		latest := map[byte]int{} // of each handle
		for i, m := range want {
			if sent[m.ID] != string(m.Data) {
				b.Errorf("message %d has the data %q, want %q", m.Seq, m.Data, sent[m.ID])
			}
			if i > 0 && m.First <= want[i-1].First {
				b.Errorf("message %d begins at %d, the one before at %d", m.Seq, m.First, want[i-1].First)
			}
			if m.Time.Location() != time.UTC || m.Time.Nanosecond()%int(time.Millisecond) != 0 || m.Time.Year() < 2020 {
				b.Errorf("message %d has the time %v, want milliseconds in UTC", m.Seq, m.Time)
			}
			var j int
			if _, err := fmt.Sscan(strings.SplitN(string(m.Data), " ", 2)[1], &j); err != nil || j != latest[m.Data[0]] {
				b.Errorf("message %d is %q, want number %d of its hub: it was published after the one before was stored", m.Seq, m.Data, latest[m.Data[0]])
			}
			latest[m.Data[0]]++
		}
		b.reaches(handles[2], 1, uint64(len(want)))
	}},
	{"KnownIdentifierIsNotStoredAgain", func(b *bench) {
		o, other := b.open(), b.open()
		id := newID()
		for _, handle := range []cluster.Order{o, other, o} {
			if err := handle.Publish(b.ctx(), "", id, []byte("x")); err != nil {
				b.Errorf("Publish: %v", err)
			}
		}
		b.publish(o, "y")
		if got := b.follow(other, 1, 2); got[0].ID != id || string(got[1].Data) != "y" {
			b.Errorf("messages are %q and %q", got[0].Data, got[1].Data)
		}
		b.reaches(o, 1, 2)
	}},
	{"StoredMessageIsFoundAtOnce", func(b *bench) {
		o, other := b.open(), b.open()
		for i := range uint64(5) {
			id := b.publish(o, fmt.Sprint(i))[0]
			m, err := other.Message(b.ctx(), i+1)
			if err != nil || m.Seq != i+1 || m.ID != id || string(m.Data) != fmt.Sprint(i) {
				b.Errorf("Message(%d) = %d %v %q, %v, want %v", i+1, m.Seq, m.ID, m.Data, err, id)
			}
			if followed := b.follow(other, i+1, 1)[0]; !cmp.Equal(m, followed) {
				b.Errorf("Message and Follow differ:\n%s", cmp.Diff(m, followed))
			}
		}
		_, err := other.Message(b.ctx(), 6)
		if last, ok := backAt(err); !ok || last != 5 {
			b.Errorf("Message(6) of 5: %v, want a *BackError", err)
		}
	}},
	{"DataIsKeptByteForByte", func(b *bench) {
		o := b.open()
		var every []byte
		for i := range 256 {
			every = append(every, byte(i))
		}
		texts := []string{string(every), "\x00", "\r\n", strings.Repeat("large\n", 20_000)}
		b.publish(o, texts...)
		for i, m := range b.follow(o, 1, len(texts)) {
			if string(m.Data) != texts[i] {
				b.Errorf("message %d has %d other bytes", m.Seq, len(m.Data))
			}
		}
	}},
	{"LargestMessageIsStoredAndALargerOneRefused", func(b *bench) {
		o := b.open()
		most := b.bounds(o).MaxMessage
		if most < 64<<10 {
			b.Fatalf("MaxMessage is %d, want at least 64 KiB", most)
		}
		err := o.Publish(b.ctx(), "", newID(), make([]byte, most+1))
		if refused, ok := errors.AsType[*cluster.RefusedError](err); !ok || refused.Later {
			b.Errorf("a message of %d bytes: %v, want a *RefusedError for good", most+1, err)
		}
		largest := bytes.Repeat([]byte("0123456789abcdef"), most/16+1)[:most]
		if err := o.Publish(b.ctx(), "", newID(), largest); err != nil {
			b.Fatalf("a message of %d bytes: %v", most, err)
		}
		b.publish(o, "next")
		if got := b.follow(o, 1, 2); !bytes.Equal(got[0].Data, largest) || string(got[1].Data) != "next" {
			b.Errorf("messages of %d and %d bytes came, want %d and 4", len(got[0].Data), len(got[1].Data), most)
		}
	}},
	{"PublishKeepsNothingOfItsArgument", func(b *bench) {
		o := b.open()
		data := []byte("before")
		if err := o.Publish(b.ctx(), "", newID(), data); err != nil {
			b.Fatal(err)
		}
		copy(data, "after!")
		if got := b.follow(o, 1, 1)[0]; string(got.Data) != "before" {
			b.Errorf("the message is %q", got.Data)
		}
	}},
}

var following = []promise{
	{"FollowBeginsAnywhere", func(b *bench) {
		o := b.open()
		const n = 20
		for i := range n {
			b.publish(o, fmt.Sprint(i+1))
		}
		for from := uint64(1); from <= n; from++ {
			for i, m := range b.follow(o, from, int(n-from)+1) {
				if want := fmt.Sprint(from + uint64(i)); string(m.Data) != want {
					b.Errorf("from %d: message %d is %q", from, i, m.Data)
				}
			}
		}
	}},
	{"FollowBeyondTheEndIsABackError", func(b *bench) {
		o := b.open()
		b.publish(o, "1", "2")
		err := o.Follow(b.ctx(), 4, nothing)
		if last, ok := backAt(err); !ok || last != 2 {
			b.Errorf("Follow from 4 of 2: %v", err)
		}
	}},
	{"FollowWaitsForTheNextMessage", func(b *bench) {
		o, other := b.open(), b.open()
		got := make(chan cluster.Message)
		done := make(chan error, 1)
		go func() {
			done <- o.Follow(b.ctx(), 1, func(messages []cluster.Message) error {
				for _, m := range messages {
					got <- m
				}
				if messages[len(messages)-1].Seq == 10 {
					return errEnough
				}
				return nil
			})
		}()
		for i := range uint64(10) { // each is published when the one before has arrived
			id := b.publish(other, "x")[0]
			select {
			case m := <-got:
				if m.ID != id || m.Seq != i+1 {
					b.Errorf("message %d has the identifier %v, want %d and %v", m.Seq, m.ID, i+1, id)
				}
			case err := <-done:
				b.Fatalf("Follow has returned %v", err)
			}
		}
		if err := <-done; !errors.Is(err, errEnough) {
			b.Errorf("Follow has returned %v, want the error of take", err)
		}
	}},
	{"FollowContinuesWhereTakeLeftOff", func(b *bench) {
		o := b.open()
		const n = 30
		for i := range n {
			b.publish(o, fmt.Sprint(i+1))
		}
		next := uint64(1)
		for next <= n {
			err := o.Follow(b.ctx(), next, func(messages []cluster.Message) error {
				if messages[0].Seq != next {
					b.Errorf("message %d came, want %d", messages[0].Seq, next)
				}
				next = messages[len(messages)-1].Seq + 1
				return errEnough
			})
			if !errors.Is(err, errEnough) {
				b.Fatalf("Follow: %v", err)
			}
		}
	}},
	{"MessagesBelongToTake", func(b *bench) {
		o, other := b.open(), b.open()
		b.publish(o, "before")
		for _, handle := range []cluster.Order{o, other, o} {
			m := b.follow(handle, 1, 1)[0]
			if string(m.Data) != "before" {
				b.Errorf("another follower sees %q", m.Data)
			}
			copy(m.Data, "after!")
		}
		if m, err := o.Message(b.ctx(), 1); err != nil || string(m.Data) != "before" {
			b.Errorf("Message sees %q, %v", m.Data, err)
		}
	}},
	{"LateFollowerCatchesUp", func(b *bench) {
		o := b.open()
		const n = 1000
		text := strings.Repeat("x", 1000)
		var group sync.WaitGroup
		for i := range 10 {
			group.Go(func() {
				for range n / 10 {
					if err := o.Publish(b.ctx(), "", newID(), []byte(text[:900+i])); err != nil {
						b.Errorf("Publish: %v", err)
					}
				}
			})
		}
		group.Wait()
		total := 0
		for _, m := range b.follow(b.open(), 1, n) {
			total += len(m.Data)
		}
		if total != n/10*(9000+45) {
			b.Errorf("%d bytes came", total)
		}
	}},
}
