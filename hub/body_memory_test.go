package hub_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/hub"
)

// filling is the middle part of large bodies.
var filling = strings.Repeat("x", 64<<10)

// haltingBody is a body that pauses before its end until it is released.
type haltingBody struct {
	head, tail string
	fill       int // bytes between them
	halted     func()
	goOn       chan struct{}
	once       sync.Once
	closed     chan struct{}
}

func (b *haltingBody) Read(p []byte) (n int, err error) {
	switch {
	case b.head != "":
		n = copy(p, b.head)
		b.head = b.head[n:]
		return n, nil
	case b.fill > 0:
		n = copy(p[:min(len(p), b.fill)], filling)
		b.fill -= n
		return n, nil
	case b.halted != nil:
		b.halted()
		b.halted = nil
	}
	select {
	case <-b.goOn:
	case <-b.closed:
		return 0, io.ErrClosedPipe
	}
	if b.tail == "" {
		return 0, io.EOF
	}
	n = copy(p, b.tail)
	b.tail = b.tail[n:]
	return n, nil
}

func (b *haltingBody) Close() error {
	b.once.Do(func() { close(b.closed) })
	return nil
}

// haltingBodies sends n bodies that pause, and waits until each has paused or is refused. It returns the refusals, and a function that
// releases the other bodies and returns their responses.
func haltingBodies(s *site, n int, contentType string, body func() *haltingBody, header func(i int) map[string]string) (refused []answer, finish func() []answer) {
	goOn := make(chan struct{})
	answers := make(chan answer, n)
	there := make(chan struct{}, n)
	for i := range n {
		b := body()
		b.goOn, b.closed, b.halted = goOn, make(chan struct{}), func() { there <- struct{}{} }
		h := header(i)
		h["Content-Type"] = contentType
		go func() {
			a, err := s.try(request{method: http.MethodPost, path: "/events/news", reader: b, header: h})
			if err != nil {
				s.Error(err)
			}
			answers <- a
		}()
	}
	for range n { // a paused body may still be refused: its bytes are on their way
		select {
		case <-there:
		case a := <-answers:
			refused = append(refused, a)
		}
	}
	return refused, func() (rest []answer) {
		close(goOn)
		for range n - len(refused) {
			rest = append(rest, <-answers)
		}
		return rest
	}
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestMemoryOfBodiesIsLimited: 60 publishers send 16 MiB each and pause just before the end. Without a limit that takes 1.1 GB.
func TestMemoryOfBodiesIsLimited(t *testing.T) {
	everything := access.Everything()
	manyAddresses := func(i int) map[string]string {
		return map[string]string{"X-Forwarded-For": fmt.Sprintf("192.0.2.%d", i)}
	}
	oneAddress := func(int) map[string]string { return map[string]string{} }
	oneToken := func(i int) map[string]string {
		return map[string]string{"X-Forwarded-For": fmt.Sprintf("192.0.2.%d", i), "Authorization": "alice"}
	}
	event := func(size int) *haltingBody { return &haltingBody{fill: size} }
	line := func(size int) *haltingBody { return &haltingBody{head: `{"data":"`, fill: size, tail: "\"}\n"} }
	stream := func(size int) *haltingBody { return &haltingBody{head: "data: ", fill: size, tail: "\n\n"} }
	for _, test := range []struct {
		name, contentType string
		n                 int // senders
		body              func(size int) *haltingBody
		header            func(i int) map[string]string
		event             int   // the largest event, in bytes
		budget, most      int64 // the budget of all bodies, and the largest allowed growth of the heap
		status            int
		says              string
	}{
		{"events", "text/plain", 60, event, manyAddresses, 4 << 20, 32 << 20, 32 << 20, 503, "full"}, // as in production, at a quarter of the size
		{"lines", "application/x-ndjson", 30, line, manyAddresses, 1 << 20, 8 << 20, 8 << 20, 503, "full"},
		{"streams", "text/event-stream", 30, stream, manyAddresses, 1 << 20, 8 << 20, 8 << 20, 503, "full"},
		// The same for incomplete lines: 3,500 lines of 64,000 bytes would take 500 MB.
		{"short lines", "application/x-ndjson", 100, line, manyAddresses, 60 << 10, 1 << 20, 1 << 20, 503, "full"},
		{"short streams", "text/event-stream", 100, stream, manyAddresses, 60 << 10, 1 << 20, 1 << 20, 503, "full"},
		{"short lines from one address", "application/x-ndjson", 100, line, oneAddress, 60 << 10, 1 << 20, 512 << 10, 429, "your address"},
		{"from one address", "text/plain", 30, event, oneAddress, 1 << 20, 8 << 20, 4 << 20, 429, "your address"},
		{"lines from one address", "application/x-ndjson", 30, line, oneAddress, 1 << 20, 8 << 20, 4 << 20, 429, "your address"},
		{"with one token", "text/plain", 30, event, oneToken, 1 << 20, 8 << 20, 4 << 20, 429, "this token"},
	} {
		size := test.event - 100
		body := func() *haltingBody { return test.body(size) }
		t.Run(test.name, func(t *testing.T) {
			s := serve(t, mustMemory(t, nil), &hub.Options{
				MaxEvent: test.event, MaxBodyMemory: test.budget, Window: 1, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
				Authorize: func(r *http.Request) (access.Grant, error) {
					grant := everything
					grant.Subject = r.Header.Get("Authorization")
					return grant, nil
				},
			}, transports[0])
			before := heap()
			refused, finish := haltingBodies(s, test.n, test.contentType, body, test.header)
			await(t, "the bytes read are counted", func() bool { return s.hub.BodyBytes() > 0 })
			// The memory of a refusal is freed after a moment; a leak would stay.
			await(t, "bodies take little more than their budget", func() bool { return heap()-before < test.most+test.most/2+int64(test.n)*(64<<10) }) // and the buffers of both ends
			if counted := s.hub.BodyBytes(); counted > test.most {
				t.Errorf("%d bytes are counted, of %d", counted, test.most)
			}
			for _, small := range []string{"hello", strings.Repeat("x", 16<<10)} { // small events are still accepted
				if a := s.send(request{path: "/events/news", body: small, header: test.header(0)}); a.status != http.StatusOK {
					t.Errorf("another event of %d bytes: %d %s", len(small), a.status, a.body)
				}
			}
			good := 0
			for _, a := range append(refused, finish()...) {
				switch {
				case a.status == http.StatusOK:
					good++
				case a.status != test.status || a.header.Get("Retry-After") == "" || !strings.Contains(a.body, test.says):
					t.Errorf("%d %v %s, want %d", a.status, a.header, a.body, test.status)
				}
			}
			if good == 0 || good == test.n {
				t.Errorf("%d of %d are stored", good, test.n)
			}
			await(t, "all memory is released", func() bool { return s.hub.BodyBytes() == 0 })
			if a := s.send(request{method: http.MethodPost, path: "/events/news", reader: io.LimitReader(zeros{}, int64(size)), header: test.header(0)}); a.status != http.StatusOK {
				t.Errorf("a single event after that: %d %s", a.status, a.body)
			}
		})
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestAnnouncedBodyUsesNoMemory: bytes count when they arrive, not when Content-Length announces them.
func TestAnnouncedBodyUsesNoMemory(t *testing.T) {
	s := serve(t, mustMemory(t, nil), &hub.Options{MaxEvent: 16 << 20}, transports[0])
	before := heap()
	const n = 60
	for range n {
		c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		const head = "POST /events/news HTTP/1.1\r\nHost: x\r\nContent-Length: 16000000\r\nExpect: 100-continue\r\n\r\n"
		if _, err := io.WriteString(c, head); err != nil {
			t.Fatal(err)
		}
		answer := make([]byte, len("HTTP/1.1 100 Continue\r\n"))
		if _, err := io.ReadFull(c, answer); err != nil || !strings.Contains(string(answer), "100") { // the hub reads the body
			t.Fatalf("%q, %v", answer, err)
		}
		if _, err := io.WriteString(c, "x"); err != nil {
			t.Fatal(err)
		}
	}
	if taken := heap() - before; s.hub.BodyBytes() != 0 || taken > n*100_000 {
		t.Errorf("%d bytes are counted, and %d are taken, for %d bodies that have not come", s.hub.BodyBytes(), taken, n)
	}
}

// TestIdlePublisherStreamsUseLittleMemory: most publishers keep a stream open and send a line rarely.
func TestIdlePublisherStreamsUseLittleMemory(t *testing.T) {
	s := serve(t, mustMemory(t, nil), nil, transports[0])
	f := s.follow("/events/news", nil)
	const n = 200
	halting := func() *haltingBody { return &haltingBody{head: "{\"data\":\"x\"}\n"} }
	before := heap()
	refused, finish := haltingBodies(s, n, "application/x-ndjson", halting, func(int) map[string]string { return map[string]string{} })
	for range n {
		f.want("x")
	}
	// The heap has both ends of each connection and their buffers.
	if taken := heap() - before; s.hub.BodyBytes() != 0 || taken > n*96<<10 || len(refused) > 0 {
		t.Errorf("%d bytes are counted, and %d are taken, for %d streams in which nothing is under way; %d are refused", s.hub.BodyBytes(), taken, n, len(refused))
	}
	finish()
}

// TestSmallEventsAreAcceptedWhenTheBodyBudgetIsUsedUp: single events and streamed bodies, fast and slow ones.
func TestSmallEventsAreAcceptedWhenTheBodyBudgetIsUsedUp(t *testing.T) {
	const size, budget = 60 << 10, 1 << 20
	s := serve(t, mustMemory(t, nil), &hub.Options{
		MaxEvent: size, MaxBodyMemory: budget, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	}, transports[0])
	from := func(i int) map[string]string {
		return map[string]string{"X-Forwarded-For": fmt.Sprintf("192.0.2.%d", i)}
	}
	_, finish := haltingBodies(s, 100, "text/plain", func() *haltingBody { return &haltingBody{fill: size - 100} }, from)
	await(t, "the budget is used up", func() bool { return s.hub.BodyBytes() > budget-size })
	for kind, event := range map[string]string{"application/x-ndjson": "{\"data\":\"small\"}\n", "text/event-stream": "data: small\n\n"} {
		for _, n := range []int{1, 10_000} {
			header := from(200)
			header["Content-Type"] = kind
			if a := s.send(request{path: "/events/other", body: strings.Repeat(event, n), header: header}); a.status != http.StatusOK {
				t.Errorf("%d events as %s: %d %s", n, kind, a.status, a.body)
			}
		}
	}
	finish()
}

// TestFormsCountTowardsTheBodyBudget: a form takes memory only for the bytes that have arrived, and that memory counts.
func TestFormsCountTowardsTheBodyBudget(t *testing.T) {
	const n, budget = 100, 1 << 20
	s := serve(t, mustMemory(t, nil), &hub.Options{MaxEvent: 1 << 10, MaxBodyMemory: budget}, transports[0])
	send := func(fill int) {
		for range n {
			c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Close() })
			const head = "QUERY /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000000\r\n\r\ntopic="
			if _, err := io.WriteString(c, head+strings.Repeat("x", fill)); err != nil {
				t.Fatal(err)
			}
		}
	}
	send(10)
	if now := s.hub.BodyBytes(); now > 0 {
		t.Errorf("%d bytes are counted of forms that have 10", now)
	}
	send(60_000)
	await(t, "some forms are counted and some are refused", func() bool { return s.hub.BodyBytes() > 0 && s.hub.Refused("too-many-bodies") > 0 })
	if now := s.hub.BodyBytes(); now > budget/2 {
		t.Errorf("%d bytes are counted, of %d", now, budget/2)
	}
}

// TestPublisherStreamsCountAsConnections in all, by address and by token, together with subscribers.
func TestPublisherStreamsCountAsConnections(t *testing.T) {
	everything := access.Everything()
	for name, o := range map[string]hub.Options{
		"in all": {MaxConnections: 3}, "by address": {MaxPerAddress: 3}, "by token": {MaxPerToken: 3},
	} {
		t.Run(name, func(t *testing.T) {
			o.Authorize = func(*http.Request) (access.Grant, error) {
				grant := everything
				grant.Subject = "alice"
				return grant, nil
			}
			s := serve(t, mustMemory(t, nil), &o, transports[0])
			f := s.follow("/events/news", nil)
			halting := func() *haltingBody { return &haltingBody{head: "{\"data\":\"x\"}\n"} }
			_, finish := haltingBodies(s, 2, "application/x-ndjson", halting, func(int) map[string]string { return map[string]string{} })
			f.want("x", "x")
			for _, r := range []request{
				{path: "/events/news", body: "{\"data\":\"y\"}\n", header: contentTypeHeader("application/x-ndjson")},
				{path: "/events/news", body: "data: y\n\n", header: contentTypeHeader("text/event-stream")},
				{path: "/events/news"},
			} {
				if a := s.send(r); a.status != http.StatusServiceUnavailable && a.status != http.StatusTooManyRequests || a.header.Get("Retry-After") == "" {
					t.Errorf("a fourth: %d %s", a.status, a.body)
				}
			}
			if a := s.send(request{path: "/events/news", body: "one event"}); a.status != http.StatusOK {
				t.Errorf("a body that is one event is no stream: %d %s", a.status, a.body)
			}
			f.want("one event")
			for _, a := range finish() {
				if a.status != http.StatusOK {
					t.Errorf("%d %s", a.status, a.body)
				}
			}
			if a := s.send(request{path: "/events/news", body: "{\"data\":\"y\"}\n", header: contentTypeHeader("application/x-ndjson")}); a.status != http.StatusOK {
				t.Errorf("after they have ended: %d %s", a.status, a.body)
			}
		})
	}
}
