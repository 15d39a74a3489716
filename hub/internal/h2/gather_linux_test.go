package h2_test

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"sync"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/sys/unix"
)

// TestAnswersOfACommitLeaveTogether: the requests of a connection that publish are answered when their commit ends, all at once. Each answer was a write
// of its own.
func TestAnswersOfACommitLeaveTogether(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // otherwise handlers end one after the other, on several processors
	for _, way := range []string{"plain", "tls"} {
		t.Run(way, func(t *testing.T) {
			const requests = 40
			var committing sync.WaitGroup
			committing.Add(requests)
			committed := make(chan struct{})
			s := serve(t, way, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				committing.Done()
				<-committed
				_, _ = w.Write([]byte("stored\n"))
			}), nil)
			p := connect(t, s)
			for i := range requests {
				p.open(uint32(2*i+1), true, http.MethodPost, fmt.Sprint("/", i))
			}
			committing.Wait()
			p.check(p.in.WritePing(false, [8]byte{})) // its answer is the last that comes before the commit
			if f, ok := p.next().(*http2.PingFrame); !ok {
				t.Fatalf("%v, want the answer to a ping", f)
			}
			before := p.segments()
			close(committed)
			for answered := 0; answered < requests; {
				if f, ok := p.next().(*http2.DataFrame); ok && f.StreamEnded() {
					answered++
				}
			}
			if got := p.segments() - before; got > 4 {
				t.Errorf("%d answers came in %d segments", requests, got)
			}
		})
	}
}

// segments returns how many segments with data the client has got.
func (p *peer) segments() int {
	p.Helper()
	conn := p.conn
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	raw, err := conn.(*net.TCPConn).SyscallConn()
	p.check(err)
	var info *unix.TCPInfo
	var infoErr error
	p.check(raw.Control(func(fd uintptr) { info, infoErr = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) }))
	p.check(infoErr)
	return int(info.Data_segs_in)
}
