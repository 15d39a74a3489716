package natslog_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
)

// answers makes a second server of the stream, whose messages up to last are not those of the leader. NATS chooses the server that answers a direct
// get at random. The result counts the answers of the second one.
func answers(t *testing.T, nc *nats.Conn, subject string, last uint64) *atomic.Int64 {
	t.Helper()
	asked := new(atomic.Int64)
	const servers = "_zz_" // the queue group of the servers that answer direct gets
	_, err := nc.QueueSubscribe("$JS.API.DIRECT.GET.tidings", servers, func(m *nats.Msg) {
		asked.Add(1)
		var question struct {
			Seq uint64 `json:"seq"`
		}
		err := json.Unmarshal(m.Data, &question)
		reply := func(header nats.Header, data string) {
			// It fails only on a connection that the test has closed, because the follower had asked the other server, too.
			_ = nc.PublishMsg(&nats.Msg{Subject: m.Reply, Header: header, Data: []byte(data)})
		}
		if err != nil || question.Seq > last {
			reply(nats.Header{"Status": {"404"}}, "")
			return
		}
		for seq := question.Seq; seq <= last; seq++ {
			reply(nats.Header{
				"Nats-Stream": {"tidings"}, "Nats-Subject": {subject}, "Nats-Sequence": {strconv.FormatUint(seq, 10)},
				"Nats-Time-Stamp": {time.Now().Format(time.RFC3339Nano)}, nats.MsgIdHdr: {newID().String()},
			}, "lost")
		}
		reply(nats.Header{"Status": {"204"}, "Nats-Num-Pending": {"0"}}, "")
	})
	if err == nil {
		err = nc.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	return asked
}

// TestFollowerTakesNoMessagesThatTheLeaderLacks: a server has messages that the leader has lost, and keeps them in the place of the leader's. Each hub
// that read them went back, began a generation, and read them again: three hubs began twelve generations within 50 seconds.
func TestFollowerTakesNoMessagesThatTheLeaderLacks(t *testing.T) {
	for name, lost := range map[string]uint64{"it has more messages than the leader": 7, "it has as many": 4, "it has fewer": 2} {
		t.Run(name, func(t *testing.T) {
			order, s := created(t, nil)
			publish(t, order, "1", "2", "3", "4")
			nc, js := admin(t, s)
			asked := answers(t, nc, subjectOf(t, js), lost)
			want := []string{"1", "2", "3", "4"}
			for count := 0; asked.Load() < 5; count++ {
				if count == 200 {
					t.Fatalf("the second server was asked %d times", asked.Load())
				}
				all, err := follow(t, order, 1, len(want))
				if got := texts(t, 1, all); !cmp.Equal(got, want) {
					t.Fatalf("got %q, %v; want %q", got, err, want)
				}
			}
			var got []string
			live := make(chan error, 1)
			go func() {
				all, err := follow(t, order, 1, 6)
				for _, m := range all {
					got = append(got, string(m.Data))
				}
				live <- fmt.Errorf("Follow returns: %w", err)
			}()
			publish(t, order, "5", "6")
			if err := <-live; !cmp.Equal(got, append(want, "5", "6")) {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}
