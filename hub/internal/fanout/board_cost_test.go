package fanout

import (
	"bytes"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/tidings-sse/tidings/hub/internal/presence"
)

// tally is a lane that counts the messages about boards in what it gets.
type tally struct {
	*fakeLane
	messages *atomic.Int64
}

func (l tally) Send(b []byte) (int, error) {
	l.messages.Add(int64(bytes.Count(b, []byte(`notice {"topic":"room"`))))
	return len(b), nil
}

func (l tally) Flush() {}

// room is a board, as the hub makes it of a topic.
type room struct{ *presence.Topic }

// TestJoinsOfALargeRoomCostFewDeliveries counts what the streams get: 100 joins a second in a room of 10,000 members, all of which watch, cost less
// than 1,000 messages a second, those of the newcomers included. If each join were told to each watcher, it would be a million.
func TestJoinsOfALargeRoomCostFewDeliveries(t *testing.T) {
	t.Parallel()
	const watchers, joins, seconds = 10_000, 100, 40
	f, _ := start(t, slowTicks)
	table := presence.New(presence.Options{MaxMembers: 100_000, Tell: func(topic *presence.Topic, version uint64, data string) {
		f.Post(room{topic}, version, data)
	}})
	var messages atomic.Int64
	var conns [2]fakeConnection
	visit := func(i int) {
		if _, err := table.Join([]string{"room"}, fmt.Sprint(i), "", ""); err != nil {
			t.Fatal(err)
		}
		s := watching([]Board{room{table.Watch([]string{"room"})[0]}})
		stream(t, f, s).AttachLane(tally{newFakeLane(&conns[i%2], -1), &messages})
	}
	count := func() int64 {
		inShards(f, func(*shard) {}) // what was posted is sent
		return messages.Load()
	}
	for i := range watchers {
		visit(i)
	}
	for range 60 { // the pause of a room of this size is 30 s
		table.Tick()
	}
	before := count()
	if before < watchers {
		t.Fatalf("%d messages, want the state for each of %d watchers", before, watchers)
	}
	for second := range seconds {
		for i := range joins {
			visit(watchers + joins*second + i)
		}
		table.Tick()
	}
	n := count() - before
	if n < watchers+joins*seconds || n >= 1000*seconds {
		t.Errorf("%d messages in %d seconds, want one for each watcher and newcomer, and less than 1,000 a second", n, seconds)
	}
	t.Logf("%d messages a second", n/seconds)
}
