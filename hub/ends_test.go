package hub_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
)

// countedSeek is a log that counts calls of Seek.
type countedSeek struct {
	*eventlog.Memory
	asked atomic.Int64
}

func (l *countedSeek) Seek(ctx context.Context, s eventlog.Selector, from eventlog.Start) (eventlog.Query, error) {
	l.asked.Add(1)
	return l.Memory.Seek(ctx, s, from)
}

// TestEndedTopicsCostOneLookupEach: at each end the hub must not look up all topics of the subscription that have ended before. With a
// thousand topics that is half a million lookups for each replay, while the other subscribers of the shard wait.
func TestEndedTopicsCostOneLookupEach(t *testing.T) {
	t.Parallel()
	const topics = 300
	query := make([]string, topics)
	for i := range query {
		query[i] = fmt.Sprintf("topic=t%d", i)
	}
	path := "/events?" + strings.Join(query, "&")
	for _, how := range transports {
		t.Run(how.name, func(t *testing.T) {
			t.Parallel()
			log := &countedSeek{Memory: mustMemory(t, nil)}
			s := serve(t, log, nil, how)
			complete := func(f *follower, asked int64) {
				t.Helper()
				for i := range topics {
					f.want(fmt.Sprint(i))
					if e := f.next(); e.Type != "tidings.end" || !strings.Contains(e.Data, fmt.Sprintf(`"t%d"`, i)) {
						t.Fatalf("after the event of t%d comes %+v", i, e)
					}
				}
				f.end()
				if asked = log.asked.Load() - asked; asked > 4*topics {
					t.Errorf("the log was asked %d times for %d ends", asked, topics)
				}
			}
			live := s.follow(path, nil)
			live.want("tidings.checkpoint:{}")
			asked := log.asked.Load()
			for i := range topics {
				s.hubPublish(hub.Event{Topics: []string{fmt.Sprintf("t%d", i)}, Data: fmt.Sprint(i), End: true})
			}
			complete(live, asked)
			asked = log.asked.Load()
			complete(s.follow(path+"&since=earliest", nil), asked)
		})
	}
}
