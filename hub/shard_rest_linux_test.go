package hub_test

import (
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// TestPublishersProgressOnOneCPU: a shard made a pass over all subscribers after each append, and publishers waited for it. With one CPU the
// hub delivered a fortieth of the events that it delivered with two.
func TestPublishersProgressOnOneCPU(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	s := serve(t, mustMemory(t, nil), nil, transports[0])
	const subscribers, publishers, each = 500, 16, 20
	for range subscribers { // whose sockets have room for all that is published
		s.raw("/events/news", nil)
	}
	await(t, "all are there", func() bool { return s.hub.Streams() == subscribers })
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: publishers}}
	defer client.CloseIdleConnections()
	var running sync.WaitGroup
	for i := range publishers {
		running.Go(func() {
			for n := range each {
				answer, err := client.Post(s.url+"/events/news", "text/plain", strings.NewReader(fmt.Sprint(i, n)))
				if err != nil {
					t.Error(err)
					return
				}
				_ = answer.Body.Close()
			}
		})
	}
	running.Wait()
	events, passes := uint64(publishers*each), s.hub.Passes()
	if 3*passes > events {
		t.Errorf("%d passes for %d events by %d publishers; a pass has to wait for those who are about to publish", passes, events, publishers)
	}
}
