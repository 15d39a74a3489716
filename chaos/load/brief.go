package load

import (
	"context"
	"fmt"
	"time"

	"github.com/tidings-sse/tidings/chaos/history"
)

// briefs is how many brief topics there are at a time.
const briefs = 6

// brief ends one brief topic after the other, and publishes to it until its end has expired, and for a while longer. Before, all hubs have to
// refuse these events, and afterwards none: see package check, rule H.
func (l *Load) brief(ctx context.Context, publishing <-chan struct{}, place int) {
	random, http, who := l.random("brief", place), client(), fmt.Sprintf("b%d", place)
	defer http.CloseIdleConnections()
	for round := 0; ; round++ {
		topic, sent := fmt.Sprintf("%s%d/%d", history.Brief, place, round), 0
		send := func(end bool) history.Outcome {
			event := history.Sent{Name: fmt.Sprintf("%s.%d.%d", who, round, sent), Topics: []string{topic}, End: end}
			sent++
			l.published.Store(event.Name, event)
			for {
				outcome := l.post(ctx, http, who, 1+random.IntN(l.hubs), []history.Sent{event})
				if outcome != history.Busy && outcome != history.Unknown || ctx.Err() != nil {
					return outcome
				}
				pause(ctx, random, 100*time.Millisecond)
			}
		}
		send(false)
		send(true)
		for until := time.Now().Add(l.Brief + 2*time.Second); time.Now().Before(until); {
			if over(ctx, publishing) {
				return
			}
			send(false)
			pause(ctx, random, 300*time.Millisecond)
		}
	}
}
