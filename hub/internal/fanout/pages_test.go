package fanout

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tidings-sse/tidings/eventlog"
)

// countedLog counts the reads of its subscribers.
type countedLog struct {
	eventlog.Log
	reads atomic.Int32
}

func (l *countedLog) Read(ctx context.Context, q eventlog.Query) (eventlog.Answer, error) {
	if len(q.Selector.Names()) > 0 {
		l.reads.Add(1)
	}
	return l.Log.Read(ctx, q)
}

// TestClientsThatResumeAtOnePositionShareReads: each of them read the log beside the shared pages to learn whether its stream begins with a gap.
func TestClientsThatResumeAtOnePositionShareReads(t *testing.T) {
	t.Parallel()
	memory, err := eventlog.NewMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	log := &countedLog{Log: memory}
	begin := log.Head()
	for range 10 {
		publish(t, log, eventlog.Record{Topics: []string{"news"}, Data: strings.Repeat("x", 20_000)})
	}
	f, err := New(t.Context(), log, Options{Window: 1})
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		sub := subscription()
		sub.From.Positions = []string{begin.String()}
		st := stream(t, f, sub)
		if _, _, err := st.cursor.next(t.Context(), pageBytes); err != nil { // its first page
			t.Error(err)
		}
		st.Close()
	}
	if n := log.reads.Load(); n != 1 {
		t.Errorf("20 streams have read the log %d times", n)
	}
}
