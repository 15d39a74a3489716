package hub_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
	"github.com/tidings-sse/tidings/sse/ssetest"
)

// sharedLog is a log that follows another one. The test decides when it has contact, and how it answers Await.
type sharedLog struct {
	*eventlog.Memory
	cut   atomic.Int64 // when the contact was lost, in Unix nanoseconds; 0: the log has contact
	await func(context.Context, eventlog.Position) error
}

func (l *sharedLog) Contact() time.Time {
	if at := l.cut.Load(); at != 0 {
		return time.Unix(0, at)
	}
	return time.Now()
}

func (l *sharedLog) Await(ctx context.Context, p eventlog.Position) error { return l.await(ctx, p) }

// inMemoryHub serves a hub over connections in memory, so that it can run in a bubble with a clock of its own.
type inMemoryHub struct {
	*hub.Hub
	t        *testing.T
	listener *ssetest.Listener
}

func serveInMemory(t *testing.T, log eventlog.Log) *inMemoryHub {
	t.Helper()
	s := &inMemoryHub{mustHub(t, log, nil), t, ssetest.NewListener()}
	server := &http.Server{Handler: s.Hub}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(s.listener) // until Close
	}()
	t.Cleanup(func() {
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		_ = server.Close()
		<-done
	})
	return s
}

// get sends a request, with the lines of a header, and returns the response.
func (s *inMemoryHub) get(path string, header ...string) *http.Response {
	s.t.Helper()
	c, err := s.listener.Dial(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	mustWrite(s.t, c, "GET "+path+" HTTP/1.1\r\nHost: x\r\n"+strings.Join(append(header, ""), "\r\n")+"\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

func (s *inMemoryHub) wantStatus(what string, status int, path string, header ...string) *http.Response {
	s.t.Helper()
	resp := s.get(path, header...)
	if resp.StatusCode != status {
		s.t.Errorf("%s: %s, want %d", what, resp.Status, status)
	}
	return resp
}

func TestHubWithoutContactIsNotReadyAndEndsItsStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &sharedLog{Memory: mustMemory(t, nil)}
		s := serveInMemory(t, log)
		open := s.get("/events/news")
		s.wantStatus("with contact", http.StatusOK, "/readyz")

		log.cut.Store(time.Now().UnixNano())
		time.Sleep(6 * time.Second)
		s.wantStatus("6 s without contact", http.StatusServiceUnavailable, "/readyz")
		if n := s.Streams(); n != 1 {
			t.Errorf("after 6 s there are %d streams", n)
		}
		text, err := io.ReadAll(open.Body) // until the hub ends the stream
		if err != nil || !strings.Contains(string(text), "retry: ") {
			t.Errorf("%v; the stream ends with %q", err, text)
		}
		if resp := s.wantStatus("a new stream without contact", http.StatusServiceUnavailable, "/events/news"); resp.Header.Get("Retry-After") == "" {
			t.Error("there is no Retry-After")
		}
		resp := s.wantStatus("a browser without contact", http.StatusOK, "/events/news", "Sec-Fetch-Mode: cors")
		if text, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(text), "event: tidings.retry") {
			t.Errorf("%v; a browser is told %q", err, text)
		}

		log.cut.Store(0)
		time.Sleep(2 * time.Second)
		s.wantStatus("with contact again", http.StatusOK, "/readyz")
		s.wantStatus("a new stream with contact again", http.StatusOK, "/events/news")
	})
}

func TestStreamWaitsForAHubThatIsBehindItsPosition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &sharedLog{Memory: mustMemory(t, nil)}
		s := serveInMemory(t, log)
		first := log.Head()
		later := eventlog.Position{Gen: first.Gen, Seq: first.Seq + 1}
		log.await = func(_ context.Context, p eventlog.Position) error {
			if p == later {
				time.Sleep(3 * time.Second)
				mustAppend(t, log.Memory, eventlog.Record{Topics: []string{"news"}, Data: "known to the client"}, eventlog.Record{Topics: []string{"news"}, Data: "new"})
			}
			return nil
		}
		resp := s.wantStatus("a poll", http.StatusOK, "/events/news?poll=1", "Last-Event-ID: "+later.String())
		text, err := io.ReadAll(resp.Body)
		if got := string(text); err != nil || strings.Contains(got, "tidings.gap") || strings.Contains(got, "known to the client") || !strings.Contains(got, "data: new") {
			t.Errorf("%v; the answer is %q", err, text)
		}
	})
}

func TestHubThatStaysBehindAPositionAsksTheClientToRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &sharedLog{Memory: mustMemory(t, nil)}
		log.await = func(ctx context.Context, _ eventlog.Position) error {
			<-ctx.Done()
			return ctx.Err()
		}
		s := serveInMemory(t, log)
		began, head := time.Now(), log.Head()
		beyond := eventlog.Position{Gen: head.Gen, Seq: head.Seq + 1}.String()
		for _, position := range []string{beyond, "zzzzz-7"} {
			resp := s.wantStatus("a program at "+position, http.StatusServiceUnavailable, "/events/news?last_event_id="+position)
			if resp.Header.Get("Retry-After") == "" {
				t.Error("there is no Retry-After")
			}
			resp = s.wantStatus("a client that resumes at "+position, http.StatusOK, "/events/news", "Last-Event-ID: "+position)
			if text, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(text), "event: tidings.retry") || strings.Contains(string(text), "gap") {
				t.Errorf("%v; the answer is %q", err, text)
			}
		}
		if took := time.Since(began); took != 4*5*time.Second {
			t.Errorf("four clients have waited for %v", took)
		}
	})
}

func TestPositionThatTheSharedLogDoesNotKnowIsAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &sharedLog{Memory: mustMemory(t, nil), await: func(context.Context, eventlog.Position) error { return nil }}
		s := serveInMemory(t, log)
		head := log.Head()
		for position, reason := range map[string]string{
			eventlog.Position{Gen: head.Gen, Seq: head.Seq + 1}.String(): "rollback",
			"zzzzz-7": "reset",
		} {
			resp := s.wantStatus(reason, http.StatusOK, "/events/news?poll=1", "Last-Event-ID: "+position)
			if text, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(text), `"reason":"`+reason+`"`) {
				t.Errorf("%v; the answer is %q", err, text)
			}
		}
	})
}

// TestStreamThatBeginsWhileContactIsLostEnds: a stream that was accepted before, and began after the others had ended, stayed open without
// events.
func TestStreamThatBeginsWhileContactIsLostEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &sharedLog{Memory: mustMemory(t, nil)}
		log.await = func(context.Context, eventlog.Position) error {
			time.Sleep(4 * time.Second)
			return nil
		}
		s := serveInMemory(t, log)
		log.cut.Store(time.Now().UnixNano())
		time.Sleep(13 * time.Second)
		resp := s.wantStatus("a stream that waits", http.StatusOK, "/events/news", "Last-Event-ID: "+log.Head().Gen+"-7")
		time.Sleep(time.Second)
		if n := s.Streams(); n != 0 {
			t.Fatalf("there are %d streams", n)
		}
		if text, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(text), "retry: ") {
			t.Errorf("it ends with %q, %v", text, err)
		}
	})
}
