package hub_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidings-sse/tidings/hub"
	"github.com/tidings-sse/tidings/hub/internal/peers"
)

// TestHubThatChecksTokensDifferentlyIsNamed: it joined without a word, and clients behind a load balancer were refused by one hub of three.
func TestHubThatChecksTokensDifferentlyIsNamed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		shared := &channel{listeners: make(map[int]func([]byte))}
		logs := map[string]*bytes.Buffer{} // written under the lock of the channel
		for name, tokens := range map[string]string{"a": "1111", "b": "1111", "c": "2222", "old": ""} {
			logs[name] = new(bytes.Buffer)
			logger := slog.New(slog.NewTextHandler(logs[name], &slog.HandlerOptions{Level: slog.LevelWarn}))
			h := mustHub(t, memberLog{mustMemory(t, nil), shared}, &hub.Options{Logger: logger, Cluster: &hub.ClusterOptions{Name: name, Key: clusterKey, Tokens: tokens}})
			defer func() {
				if err := h.Shutdown(context.Background()); err != nil {
					t.Error(err)
				}
			}()
		}
		time.Sleep(time.Minute)
		restarted := &peers.Message{Hello: &peers.Hub{Name: "c", Instance: "another", Tokens: "2222"}}
		if err := shared.Broadcast(t.Context(), restarted.Encode()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		shared.mu.Lock()
		defer shared.mu.Unlock()
		for name, want := range map[string]map[string]int{
			"a": {"b": 0, "c": 2, "old": 0}, "b": {"a": 0, "c": 2, "old": 0}, "c": {"a": 1, "b": 1, "old": 0}, "old": {"a": 0, "b": 0, "c": 0},
		} {
			for other, times := range want {
				if n := strings.Count(logs[name].String(), "another hub of the cluster checks tokens differently, so some tokens are valid only on one of the two: "+
					`give all hubs the same keys, issuer, audience and public topics" hub=`+other+" "); n != times {
					t.Errorf("%s warns %d times of %s, want %d:\n%s", name, n, other, times, logs[name])
				}
			}
		}
	})
}

// TestReadyzOfAHubWithoutContactSaysWhatItWaitsFor: it said that it has no contact, and what to try, which is for clients.
func TestReadyzOfAHubWithoutContactSaysWhatItWaitsFor(t *testing.T) {
	t.Parallel()
	for reason, says := range map[string]string{
		"waiting for b: 2 of 2 hubs are needed":                                                `the hub cannot use the log that it shares with other hubs: waiting for b: 2 of 2 hubs are needed"`,
		"waiting for the shared log: this hub has not joined its cluster yet; try again later": `the hub cannot use the log that it shares with other hubs: waiting for the shared log: this hub has not joined its cluster yet"`,
		"": "the event log accepts no events at the moment; the log messages of the hub have the cause",
	} {
		h := mustHub(t, unreadyMember{memberLog{mustMemory(t, nil), &channel{listeners: make(map[int]func([]byte))}}}, &hub.Options{
			Cluster: &hub.ClusterOptions{Name: "a", Hubs: func() int { return 1 }, Waiting: func() string { return reason }},
		})
		get := func(path string) *httptest.ResponseRecorder {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, http.NoBody))
			return w
		}
		answer := get("/readyz")
		if answer.Code != 503 || !strings.Contains(answer.Body.String(), says) {
			t.Errorf("%d %s, want %s", answer.Code, answer.Body, says)
		}
		var status hub.ClusterStatus
		if text := get("/api/v1/cluster").Body.Bytes(); json.Unmarshal(text, &status) != nil || reason != "" && !strings.HasSuffix(says, status.Hubs[0].Unready+`"`) {
			t.Errorf("the status is %s", text)
		}
		if err := h.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// unreadyMember is the log of a hub without contact.
type unreadyMember struct{ memberLog }

func (unreadyMember) Ready(context.Context) error { return context.DeadlineExceeded }
