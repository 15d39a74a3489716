package tidings_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/tidings-sse/tidings"
	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
)

// startHub serves a hub in memory, and returns a client of it.
func startHub(t *testing.T, o *hub.Options) (*hub.Hub, *tidings.Client) {
	t.Helper()
	log, err := eventlog.NewMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	h, err := hub.New(log, o)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h)
	t.Cleanup(func() {
		server.CloseClientConnections()
		if err := h.Shutdown(t.Context()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
		server.Close()
		_ = log.Close()
	})
	return h, &tidings.Client{URL: server.URL, HTTP: server.Client()}
}

// TestSubscribeAcceptsTheLargestEventOfAHub: 16 MiB of binary data are 22 MiB in an envelope, which ended the subscription.
func TestSubscribeAcceptsTheLargestEventOfAHub(t *testing.T) {
	h, client := startHub(t, &hub.Options{MaxEvent: eventlog.MaxData})
	data := bytes.Repeat([]byte{0xff}, eventlog.MaxData)
	if _, err := h.Publish(t.Context(), hub.Event{Topics: []string{"files"}, Data: string(data), Binary: true}); err != nil {
		t.Fatal(err)
	}
	for e, err := range client.Subscribe(t.Context(), []string{"files"}, &tidings.SubscribeOptions{Last: 1}) {
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(e.Data, data) {
			t.Errorf("it has %d bytes", len(e.Data))
		}
		break
	}
}

// TestSubscribeFollowsAsManyTopicsAsTheHubAllows.
func TestSubscribeFollowsAsManyTopicsAsTheHubAllows(t *testing.T) {
	const most = 20_000
	h, client := startHub(t, &hub.Options{MaxTopics: most})
	var topics []string
	for i := range most {
		topics = append(topics, fmt.Sprint("sensors/", i))
	}
	if _, err := h.Publish(t.Context(), hub.Event{Topics: topics[most-1:], Data: "hello"}); err != nil {
		t.Fatal(err)
	}
	for e, err := range client.Subscribe(t.Context(), topics, &tidings.SubscribeOptions{Last: 1}) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Topic != topics[most-1] || string(e.Data) != "hello" {
			t.Errorf("%+v", e)
		}
		break
	}
}

// TestSubscribeGetsTheHeartbeatsItAsksFor: on a quiet topic, OnCheckpoint shows that the connection works.
func TestSubscribeGetsTheHeartbeatsItAsksFor(t *testing.T) {
	_, client := startHub(t, &hub.Options{Heartbeat: time.Hour, HeartbeatMin: time.Millisecond})
	heard := 0
	var s *tidings.Subscription
	s = client.Open(t.Context(), []string{"news"}, &tidings.SubscribeOptions{
		Heartbeat: 10 * time.Millisecond, IdleTimeout: -1,
		OnCheckpoint: func(string) {
			if heard++; heard == 4 { // the first is the checkpoint at the start
				s.Close()
			}
		},
	})
	for e, err := range s.Events() {
		t.Errorf("%+v, %v", e, err)
	}
	if heard != 4 {
		t.Errorf("%d checkpoints", heard)
	}
	for _, err := range client.Subscribe(t.Context(), []string{"news"}, &tidings.SubscribeOptions{Heartbeat: time.Microsecond}) {
		if problem, ok := errors.AsType[*tidings.Problem](err); !ok || problem.Name() != "invalid-request" {
			t.Errorf("a heartbeat below the hub's bound: %v", err)
		}
	}
}
