package h2_test

import (
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/tidings-sse/tidings/hub/internal/h2"
)

// TestRandomFramesDoNotBreakTheServer: a client sends frames of all kinds in any order, and closes the connection. Nothing panics, no handler and no
// goroutine stays, and others are served.
func TestRandomFramesDoNotBreakTheServer(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	s := serve(t, "plain", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/detached":
			w.WriteHeader(http.StatusOK)
			if st, ok := h2.Detach(w); ok {
				st.Watch(newEvents())
				_, _ = st.Send(make([]byte, 100_000))
				st.Flush()
			}
		case "/waits":
			<-r.Context().Done()
		case "/echoes":
			_, _ = io.Copy(w, r.Body)
		default:
			_, _ = w.Write(make([]byte, 10_000))
		}
	}), nil)
	warm := connect(t, s)
	warm.get(1, "/")
	warm.head(1)
	before := runtime.NumGoroutine()
	for range 150 {
		p := connect(t, s)
		go func() { _, _ = io.Copy(io.Discard, p.conn) }()
		for next, n := uint32(1), random.IntN(100); n >= 0; n-- {
			id := uint32(random.IntN(int(next) + 2))
			var err error
			switch random.IntN(12) {
			case 0, 1, 2:
				method := [...]string{"GET", "POST", "HEAD", "CONNECT", ""}[random.IntN(5)]
				path := [...]string{"/", "/detached", "/waits", "/echoes", "x"}[random.IntN(5)]
				err = p.in.WriteHeaders(http2.HeadersFrameParam{
					StreamID: next, EndHeaders: random.IntN(20) > 0, EndStream: random.IntN(2) == 0,
					BlockFragment: p.fields(":method", method, ":scheme", "http", ":authority", "x", ":path", path),
				})
				next += 2
			case 3:
				err = p.in.WriteHeaders(http2.HeadersFrameParam{StreamID: id | 1, EndHeaders: true, EndStream: true, BlockFragment: p.fields("x-sum", "1")})
			case 4, 5:
				err = p.in.WriteData(id|1, random.IntN(3) == 0, make([]byte, random.IntN(5000)))
			case 6:
				err = p.in.WriteRSTStream(id|1, http2.ErrCodeCancel)
			case 7:
				err = p.in.WriteWindowUpdate(id, random.Uint32()>>(1+random.IntN(31)))
			case 8:
				err = p.in.WriteSettings(http2.Setting{ID: http2.SettingID(random.IntN(9)), Val: random.Uint32() >> random.IntN(32)})
			case 9:
				err = p.in.WritePriority(id|1, http2.PriorityParam{StreamDep: uint32(random.IntN(9))})
			case 10:
				err = p.in.WritePing(random.IntN(2) == 0, [8]byte{1})
			case 11:
				if random.IntN(10) == 0 {
					err = p.in.WriteRawFrame(http2.FrameType(random.IntN(12)), http2.Flags(random.IntN(256)), id, make([]byte, random.IntN(50)))
				}
			}
			if err != nil {
				break // the server has ended the connection
			}
		}
		_ = p.conn.Close()
	}
	for deadline := time.Now().Add(patience); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines before, %d after:\n%s", before, runtime.NumGoroutine(), stacks[:runtime.Stack(stacks, true)])
		}
	}
	warm.get(3, "/")
	warm.next() // the body of the first answer, or its end
}
