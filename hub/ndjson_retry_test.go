package hub_test

import (
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/hub"
	"github.com/tidings-sse/tidings/internal/wire"
)

// TestClientsOfNDJSONLearnWhenToReconnect: only event streams had a reconnection time, in their first and last checkpoint.
func TestClientsOfNDJSONLearnWhenToReconnect(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]hub.Options{"aged": {MaxAge: 40 * time.Millisecond}, "drained": {}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, &o, func(s *site) {
				resp := s.openUnread("/events/news", map[string]string{"Accept": "application/x-ndjson"})
				if name == "drained" {
					if err := s.hub.Shutdown(t.Context()); err != nil {
						t.Error(err)
					}
				}
				text, err := io.ReadAll(resp.Body)
				if err != nil {
					s.Fatal(err)
				}
				var retries []int64
				for line := range strings.Lines(string(text)) {
					var e wire.Envelope
					var data wire.Checkpoint
					if err := json.Unmarshal([]byte(line), &e); err != nil || e.Type != wire.TypeCheckpoint {
						s.Fatalf("%q: %v", line, err)
					}
					if err := json.Unmarshal([]byte(e.Data), &data); err != nil {
						s.Fatalf("%q: %v", line, err)
					}
					retries = append(retries, data.Retry)
				}
				if len(retries) != 2 || retries[0] < 2000 || retries[0] > 5000 || retries[1] < 1000 || retries[1] > 5000 {
					s.Errorf("the stream has %v ms in\n%s", retries, text)
				}
			})
		})
	}
}
