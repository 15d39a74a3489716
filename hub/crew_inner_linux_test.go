package hub

import (
	"crypto/tls"
	"net"
	"reflect"
	"testing"

	"github.com/tidings-sse/tidings/eventlog"
)

// paused is a socket whose writes wait.
type paused struct{ until, written chan struct{} }

func (p *paused) write([]byte) error {
	<-p.until
	p.written <- struct{}{}
	return nil
}

func (*paused) abort() {}
func (*paused) close() {}

// TestARunnerThatWaitsHoldsUpNoOther: runners share goroutines.
func TestARunnerThatWaitsHoldsUpNoOther(t *testing.T) {
	h, _ := innerHub(t, nil)
	never, now, written := make(chan struct{}), make(chan struct{}), make(chan struct{})
	close(now)
	start := func(until chan struct{}) {
		g := newGroup(wanted{[]string{"news"}, nil}, plain)
		c := &cursor{hub: h, group: g, sent: noID, query: eventlog.Query{Selector: g.selector, After: h.window.head()}}
		sub := &subscriber{shard: h.shards[0], group: g, fd: -1, slot: -1, cursor: c}
		newRunner(sub, &paused{until, written}, []byte("hello")).nudge()
	}
	const each = 10
	for range each {
		start(never)
		start(now)
	}
	for range each {
		<-written
	}
	close(never)
	for range each {
		<-written
	}
}

// TestATLSConnectionForgetsItsHandshake fails when crypto/tls has other names for what it keeps.
func TestATLSConnectionForgetsItsHandshake(t *testing.T) {
	_, inner := net.Pipe()
	conn := tls.Server(inner, new(tls.Config))
	for _, name := range []string{"rawInput", "hand"} {
		f := reflect.ValueOf(conn).Elem().FieldByName(name)
		if !f.IsValid() {
			t.Fatalf("tls.Conn has no field %s", name)
		}
		b := bufferOf(f)
		b.Grow(1 << 10)
		if forgetHandshake(conn); b.Cap() != 0 {
			t.Errorf("%s keeps %d bytes", name, b.Cap())
		}
		b.WriteString("unread")
		if forgetHandshake(conn); b.String() != "unread" {
			t.Errorf("%s forgets what is still to be read", name)
		}
		b.Reset()
	}
}
