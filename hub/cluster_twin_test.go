package hub_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidings-sse/tidings/hub"
	"github.com/tidings-sse/tidings/hub/internal/peers"
)

// TestHubsWithEqualNamesSayItAndDoNotFloodTheChannel: each took the other for itself after a restart, and answered every announcement with its
// own: some 50,000 a second. Neither logged the cause.
func TestHubsWithEqualNamesSayItAndDoNotFloodTheChannel(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		shared := &channel{listeners: make(map[int]func([]byte))}
		var messages atomic.Int64
		stop, err := shared.Listen(func([]byte) { messages.Add(1) })
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
		var logged bytes.Buffer // written under the lock of the channel
		logger := slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelWarn}))
		for range 2 {
			h := mustHub(t, memberLog{mustMemory(t, nil), shared}, &hub.Options{Logger: logger, Cluster: &hub.ClusterOptions{Name: "a", Key: clusterKey}})
			defer func() {
				if err := h.Shutdown(context.Background()); err != nil {
					t.Error(err)
				}
			}()
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		shared.mu.Lock()
		defer shared.mu.Unlock()
		if n := messages.Load(); n > 70 { // each hub announces itself every 2 seconds
			t.Errorf("the channel had %d messages in a minute", n)
		}
		if n := strings.Count(logged.String(), "another hub has the name of this one"); n != 2 {
			t.Errorf("the hubs logged %d times that they have the same name, want once each:\n%s", n, &logged)
		}
	})
}

// TestHubsDoNotAnswerEveryQuestionAtOnce: questions make all hubs announce themselves, so a flood of them became a larger flood.
func TestHubsDoNotAnswerEveryQuestionAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		shared := &channel{listeners: make(map[int]func([]byte))}
		h := mustHub(t, memberLog{mustMemory(t, nil), shared}, &hub.Options{Cluster: &hub.ClusterOptions{Name: "a", Key: clusterKey}})
		defer func() {
			if err := h.Shutdown(context.Background()); err != nil {
				t.Error(err)
			}
		}()
		var messages atomic.Int64
		stop, err := shared.Listen(func([]byte) { messages.Add(1) })
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
		const questions = 1000
		for range questions {
			if err := shared.Broadcast(t.Context(), (&peers.Message{Who: true}).Encode()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond)
		}
		if n := messages.Load() - questions; n < 1 || n > 12 {
			t.Errorf("the hub announced itself %d times in a second", n)
		}
	})
}

// deadlines is a connection that records the last deadline for writing.
type deadlines struct {
	*httptest.ResponseRecorder
	at time.Time
}

func (d *deadlines) SetWriteDeadline(at time.Time) error {
	d.at = at
	return nil
}

// TestHubThatStallsDoesNotKeepOthersFromASnapshot: a hub gives one snapshot at a time, and waited forever for a stalled newcomer.
func TestHubThatStallsDoesNotKeepOthersFromASnapshot(t *testing.T) {
	t.Parallel()
	out := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	m := cluster(t, 1, func(o *hub.ClusterOptions) {
		o.Snapshot = func(_ context.Context, w io.Writer) error {
			_, err := io.WriteString(w, "the log")
			if until := time.Until(out.at); until <= 0 || until > time.Minute {
				t.Errorf("a stalled hub is disconnected in %v", until)
			}
			return err
		}
	})[0]
	r := httptest.NewRequest(http.MethodGet, m.URL+"/api/v1/peer/snapshot", http.NoBody)
	peers.Sign(r, clusterKey, m.self(), time.Now())
	m.ServeHTTP(out, r)
	if out.Code != http.StatusOK || out.Body.String() != "the log" || !out.at.IsZero() {
		t.Errorf("%d %q; the deadline is %v afterwards", out.Code, out.Body, out.at)
	}
}

// TestHeadOfASnapshotMakesNone: it wrote the whole log to the disk, for an answer without a body.
func TestHeadOfASnapshotMakesNone(t *testing.T) {
	t.Parallel()
	m := cluster(t, 1, func(o *hub.ClusterOptions) {
		o.Snapshot = func(context.Context, io.Writer) error { t.Error("a snapshot is made"); return nil }
	})[0]
	r := httptest.NewRequest(http.MethodHead, m.URL+"/api/v1/peer/snapshot", http.NoBody)
	peers.Sign(r, clusterKey, m.self(), time.Now())
	w := httptest.NewRecorder()
	m.ServeHTTP(w, r)
	if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, OPTIONS" {
		t.Errorf("%d, Allow: %s", w.Code, w.Header().Get("Allow"))
	}
}

// TestFloodOfMalformedMessagesIsLoggedOnceAMinute: each of them was a line of the hub's log.
func TestFloodOfMalformedMessagesIsLoggedOnceAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		shared := &channel{listeners: make(map[int]func([]byte))}
		var logged bytes.Buffer // written under the lock of the channel
		logger := slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelWarn}))
		h := mustHub(t, memberLog{mustMemory(t, nil), shared}, &hub.Options{Logger: logger, Cluster: &hub.ClusterOptions{Name: "a", Key: clusterKey}})
		defer func() {
			if err := h.Shutdown(context.Background()); err != nil {
				t.Error(err)
			}
		}()
		for range 150 { // two a second
			if err := shared.Broadcast(t.Context(), []byte("hello")); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second / 2)
		}
		shared.mu.Lock()
		defer shared.mu.Unlock()
		lines := strings.SplitAfter(logged.String(), "\n")
		if len(lines) != 3 || !strings.HasSuffix(lines[0], " count=1\n") || !strings.HasSuffix(lines[1], " count=120\n") {
			t.Errorf("the hub logged\n%s", &logged)
		}
	})
}
