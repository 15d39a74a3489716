package hub_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/tidings-sse/tidings/eventlog"
)

// silentLog is a log of a cluster that does not answer an Append.
type silentLog struct{ eventlog.Log }

func (silentLog) Append(context.Context, []eventlog.Record) ([]eventlog.Receipt, error) {
	return nil, fmt.Errorf("cluster: %w", eventlog.ErrUnknown)
}

// TestPublisherMayRepeatAnEventWithUnknownOutcome: after a failover of Redis, publishers got "an internal error" with status 500, which says
// that an operator has to do something.
func TestPublisherMayRepeatAnEventWithUnknownOutcome(t *testing.T) {
	t.Parallel()
	for _, how := range transports {
		s := serve(t, silentLog{mustMemory(t, nil)}, nil, how)
		for what, r := range map[string]request{
			"one event":   {path: "/events/news", body: "x"},
			"many events": {path: "/events/news", body: `{"data":"x"}`, header: map[string]string{"Content-Type": "application/x-ndjson"}},
		} {
			r.method = http.MethodPost
			a := s.send(r)
			refused(t, what, a, http.StatusServiceUnavailable, "unavailable", "is not known")
			if a.header.Get("Retry-After") == "" {
				t.Errorf("%s: the answer has no Retry-After", what)
			}
		}
	}
}
