//go:build unix

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/tidings-sse/tidings/eventlog"
)

// TestServeStopsWithinItsGracePeriodAndLosesNothing while clients publish as fast as possible and a subscription with expensive patterns
// catches up for longer than the grace period. The hub ends by itself, and after a restart it has every acknowledged event.
func TestServeStopsWithinItsGracePeriodAndLosesNothing(t *testing.T) {
	dir, topic := t.TempDir(), strings.Repeat("a/", eventlog.MaxSegments-1)+"a"
	cmd := exec.Command("tidings-hasty", "serve", "--addr", "localhost:0", "--data", dir, "--log-requests", "never")
	out, log := newAwaited(), newAwaited()
	cmd.Stdout, cmd.Stderr = out, log
	start(t, cmd)
	hub := strings.TrimSuffix(strings.Fields(out.await(t, `listens on \S+,`))[2], ",")
	log.await(t, `msg="events are kept on disk"`)
	batch := strings.Repeat(`{"data":"of the batch"}`+"\n", 1000)
	for range 10 {
		if answer, text := ask(t, http.DefaultClient, http.MethodPost, hub+"/events/"+topic, batch, "Content-Type", "application/x-ndjson"); answer.StatusCode != http.StatusOK {
			t.Fatalf("%s %s", answer.Status, text)
		}
	}

	// After its first line the stream is open, and reads the whole log.
	patterns := url.Values{"since": {"earliest"}}
	for n := range 1000 {
		patterns.Add("topic", costlyPattern(n))
	}
	r, err := http.NewRequestWithContext(t.Context(), "QUERY", hub+"/events", strings.NewReader(patterns.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	stream, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	if _, err := bufio.NewReader(stream.Body).ReadString('\n'); err != nil || stream.StatusCode != http.StatusOK {
		t.Fatalf("%s, %v", stream.Status, err)
	}

	p := &publishers{url: hub + "/events/" + topic, some: make(chan struct{})}
	for n := range 8 {
		p.running.Go(func() { p.publish(t, n) })
	}
	<-p.some
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	code := ended(t, cmd) // which kills a hub that does not end
	p.running.Wait()
	if text, _ := log.now(); code != 0 || !regexp.MustCompile(`msg="the log is closed" .*\n$`).MatchString(text) {
		t.Errorf("it expired with exit code %d after\n%s", code, text)
	}

	s := startServeIn(t, dir, nil)
	_, stored := ask(t, http.DefaultClient, http.MethodGet, s.url+"/events/"+topic+"?since=earliest&poll=1", "", "Accept", "application/x-ndjson")
	data := map[string]string{} // by ID
	for line := range strings.Lines(stored) {
		var e struct{ ID, Data string }
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		data[e.ID] = e.Data
	}
	for id, want := range p.acknowledged {
		if data[id] != want {
			t.Errorf("%s was acknowledged for %q, and is %q after a restart", id, want, data[id])
		}
	}
}

// publishers publish single events until the hub is gone.
type publishers struct {
	url     string
	running sync.WaitGroup
	some    chan struct{} // is closed when some events are acknowledged

	mu           sync.Mutex
	acknowledged map[string]string // data by ID
}

func (p *publishers) publish(t *testing.T, publisher int) {
	for n := 0; ; n++ {
		data := fmt.Sprintf("event %d of publisher %d", n, publisher)
		answer, err := http.Post(p.url, "text/plain", strings.NewReader(data)) //nolint:noctx // it ends with the hub
		if err != nil {
			return
		}
		var got struct{ ID string }
		err = json.NewDecoder(answer.Body).Decode(&got)
		_ = answer.Body.Close()
		switch {
		case answer.StatusCode == http.StatusServiceUnavailable:
			return // it drains
		case answer.StatusCode != http.StatusOK:
			t.Errorf("%s", answer.Status)
			return
		case err != nil:
			return // the answer was cut
		}
		p.mu.Lock()
		if p.acknowledged == nil {
			p.acknowledged = map[string]string{}
		}
		if p.acknowledged[got.ID] = data; len(p.acknowledged) == 100 {
			close(p.some)
		}
		p.mu.Unlock()
	}
}

// costlyPattern returns one of many patterns that differ in their first segments, and match no topic because of their last one.
func costlyPattern(n int) string {
	var b strings.Builder
	for i := range eventlog.MaxSegments - 1 {
		b.WriteString([]string{"a/", "*/"}[n>>min(i, 60)&1])
	}
	return b.String() + fmt.Sprint(n)
}
