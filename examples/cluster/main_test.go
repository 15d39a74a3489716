package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/internal/cutproxy"
	"github.com/tidings-sse/tidings/sse"
)

// TestPageMissesNothingWhenItsHubIsKilled: it starts three hubs, follows the counter as the page does, and kills a hub on the way.
func TestPageMissesNothingWhenItsHubIsKilled(t *testing.T) {
	addr := freeAddress(t)
	var ports []int // a hub that starts again needs its ports, which no connection and no other test may have meanwhile
	for range 2 * hubCount {
		ports = append(ports, int(netip.MustParseAddrPort(freeAddress(t)).Port()))
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, addr, "", ports)
		stop() // the test does not wait for a cluster that has not started
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	reading, enough := context.WithTimeout(ctx, 3*time.Minute)
	defer enough()
	var serving served
	client := sse.Client{HTTP: &http.Client{Transport: &serving}, Backoff: sse.Backoff{Base: 200 * time.Millisecond}}
	req, err := http.NewRequestWithContext(reading, http.MethodGet, "http://"+addr+"/events/counter", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	last, killed := 0, false
	for e, err := range client.Subscribe(req) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Type == "tidings.gap" {
			t.Errorf("a gap: %s", e.Data)
		}
		n, err := strconv.Atoi(e.Data)
		if err != nil || e.Type != "message" {
			continue
		}
		if last > 0 && n != last+1 {
			t.Fatalf("%d comes after %d", n, last)
		}
		if last = n; last >= 20 && !killed {
			killed = true
			if streams := listStreams(t, addr); streams[serving.hub] != 1 {
				t.Errorf("%s has the stream, and the page lists %v", serving.hub, streams)
			}
			kill(t, addr, serving.hub)
		}
		if last >= 80 {
			return
		}
	}
	t.Fatalf("the stream ended at %d", last)
}

// freeAddress returns an address that nothing listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	addr, err := cutproxy.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// served is a transport that notes which hub has answered last.
type served struct{ hub string }

func (s *served) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err == nil {
		s.hub = resp.Header.Get("X-Hub")
	}
	return resp, err
}

// listStreams returns the streams of each hub, as the page lists them.
func listStreams(t *testing.T, addr string) map[string]int {
	t.Helper()
	resp, err := http.Get(fmt.Sprintf("http://%s/hubs", addr))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var hubs []struct {
		Name    string `json:"name"`
		Streams int    `json:"streams"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&hubs); err != nil {
		t.Fatal(err)
	}
	streams := map[string]int{}
	for _, hub := range hubs {
		streams[hub.Name] = hub.Streams
	}
	return streams
}

func kill(t *testing.T, addr, name string) {
	t.Helper()
	resp, err := http.Post(fmt.Sprintf("http://%s/hubs/%s/kill", addr, name), "", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if text, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", resp.Status, text, err)
	}
}

// TestExampleOutsideOfItsFolderSaysWhatToDo: it said only that a program had ended with status 1.
func TestExampleOutsideOfItsFolderSaysWhatToDo(t *testing.T) {
	t.Chdir(t.TempDir())
	err := run(t.Context(), "localhost:0", "", nil)
	if err == nil || !strings.Contains(err.Error(), "run this in the folder examples of its repository, or name the program by -tidings") {
		t.Errorf("run returns %v", err)
	}
}
