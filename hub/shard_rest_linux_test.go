package hub_test

import (
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// TestPublishersProgressOnOneCPU: a shard that visits all subscribers after each append makes publishers wait. With one CPU the hub must
// still gather events, or it delivers a fraction of what it delivers with two CPUs.
func TestPublishersProgressOnOneCPU(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	s := serve(t, mustMemory(t, nil), nil, transports[0])
	const subscribers, publishers, each = 500, 16, 20
	for range subscribers { // their sockets have room for all events
		s.openRaw("/events/news", nil)
	}
	await(t, "all streams are open", func() bool { return s.hub.Streams() == subscribers })
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
	if 2*passes > events { // one for each event without the rest; how many publishers are ready at a time depends on the machine
		t.Errorf("%d passes for %d events by %d publishers; a pass must wait for publishers that are ready to run", passes, events, publishers)
	}
}
