package natslog

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/nats-io/nats.go"

	"github.com/tidings-sse/tidings/eventlog/cluster"
)

var _ cluster.Replicated = (*Order)(nil)

// Sample implements [cluster.Replicated], by a direct get.
func (o *Order) Sample(ctx context.Context, seq uint64) (cluster.Message, error) {
	question, err := json.Marshal(map[string]any{"seq": seq})
	if err != nil {
		return cluster.Message{}, err
	}
	m, err := o.request(ctx, &nats.Msg{Subject: "$JS.API.DIRECT.GET." + o.o.Stream, Data: question}, answerTime)
	switch {
	case err != nil:
		return cluster.Message{}, err
	case m.Header.Get("Status") == "404":
		return cluster.Message{}, errNoMessage
	case m.Header.Get("Status") != "":
		return cluster.Message{}, fmt.Errorf("natslog: a direct get fails: %s %s", m.Header.Get("Status"), m.Header.Get("Description"))
	}
	return o.stored(m, m.Header.Get("Nats-Subject")) // whichever stream it is of, its identifier decides
}

// Elect implements [cluster.Replicated].
func (o *Order) Elect(ctx context.Context) error {
	var answer struct{ refusal }
	if err := o.api(ctx, "STREAM.LEADER.STEPDOWN."+o.o.Stream, nil, &answer); err != nil {
		return err
	}
	return answer.err()
}
