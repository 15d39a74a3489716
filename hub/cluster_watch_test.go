package hub_test

import (
	"bytes"
	"context"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
	"github.com/tidings-sse/tidings/hub/internal/peers"
)

// isolatedLog is a log that has lost contact with the shared log.
type isolatedLog struct{ memberLog }

func (isolatedLog) Status() eventlog.SharedStatus {
	return eventlog.SharedStatus{Contact: time.Now().Add(-time.Minute)}
}

// TestSurvivorsLogThatAHubIsGoneAndThatItIsBack, once each, with what that means. Only a metric and an alert said so.
func TestSurvivorsLogThatAHubIsGoneAndThatItIsBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		shared := &channel{listeners: make(map[int]func([]byte))}
		logs := map[string]*bytes.Buffer{}
		for name, log := range map[string]eventlog.Log{
			"a": memberLog{mustMemory(t, nil), shared}, "b": memberLog{mustMemory(t, nil), shared}, "cut": isolatedLog{memberLog{mustMemory(t, nil), shared}},
		} {
			logs[name] = new(bytes.Buffer)
			o := &hub.ClusterOptions{Name: name, Key: clusterKey}
			if name != "b" {
				o.Margin = func(gone []string) string { return "without " + strings.Join(gone, ", ") }
			}
			h := mustHub(t, log, &hub.Options{Logger: slog.New(slog.NewTextHandler(logs[name], nil)), Cluster: o})
			defer func() {
				if err := h.Shutdown(context.Background()); err != nil {
					t.Error(err)
				}
			}()
		}
		c := &peers.Hub{Name: "c", Instance: "1", URL: "http://c:3000"}
		say := func(m *peers.Message) {
			t.Helper()
			if err := shared.Broadcast(t.Context(), m.Encode()); err != nil {
				t.Fatal(err)
			}
		}
		runs := func() {
			for range 30 {
				say(&peers.Message{Hello: c})
				time.Sleep(peers.Interval)
			}
		}
		runs()
		time.Sleep(time.Minute) // it was killed
		runs()
		say(&peers.Message{Bye: c})
		time.Sleep(time.Minute)
		synctest.Wait()
		shared.mu.Lock()
		defer shared.mu.Unlock()
		const (
			gone    = `level=WARN msg="a hub of the cluster is gone: it has crashed, or the network between it and this hub is cut" hub=c url=http://c:3000`
			back    = `level=INFO msg="a hub of the cluster is back" hub=c url=http://c:3000`
			stopped = `level=INFO msg="a hub of the cluster has stopped" hub=c url=http://c:3000`
			cut     = `This hub has no contact with the shared log, so perhaps it is the one that is cut off`
		)
		for name, want := range map[string][]string{
			"a":   {gone + ` means="without c" silent=N`, back + ` means="without " away=N`, stopped + ` means="without c"`},
			"b":   {gone + ` silent=N`, back + ` away=N`, stopped},
			"cut": {gone + ` means="without c. ` + cut + `" silent=N`, back + ` means="without " away=N`, stopped + ` means="without c"`},
		} {
			var got []string
			for line := range strings.Lines(logs[name].String()) {
				if _, text, ok := strings.Cut(strings.TrimSpace(line), " "); ok && strings.Contains(text, "a hub of the cluster") {
					got = append(got, regexp.MustCompile(`(silent|away)=[0-9ms]+`).ReplaceAllString(text, "$1=N"))
				}
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s logs (-want +got)\n%s", name, d)
			}
		}
	})
}
