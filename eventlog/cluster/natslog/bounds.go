package natslog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tidings-sse/tidings/eventlog/cluster"
)

// overhead is the largest size of a message beyond its data: its identifier and the name of the stream. The file store refuses messages
// above largestStored, whatever is configured.
const (
	overhead      = 1 << 10
	largestStored = 32 << 20
)

func (o *Order) largest() int { return int(min(o.nc.MaxPayload(), largestStored)) - overhead }

// leaseTime is how recently a majority of replicas must have answered the leader. Another leader can be elected 4 s after the replicas have
// last heard of the old one, so within leaseTime there is none. Replicas answer once a second at least.
const leaseTime = 3 * time.Second

// led returns nil if the answer comes from the leader, and a majority follows the leader.
//
// A leader that is cut off continues to lead for 10 s. A leader that was paused answers before it learns that it was replaced. Therefore the
// server computes the state of the stream first and the activity of its replicas second; see jsStreamInfoRequest in nats-server.
func led(info *jetstream.StreamInfo) error {
	c := info.Cluster
	if c == nil || info.Config.Replicas <= 1 && len(c.Replicas) == 0 {
		return nil // a single server is its own majority
	}
	if c.Leader == "" {
		return errNoLeader
	}
	active := 1
	for _, r := range c.Replicas {
		// Active is zero for a replica from which the leader never received a message.
		if !r.Offline && r.Active > 0 && r.Active < leaseTime {
			active++
		}
	}
	if all := max(info.Config.Replicas, len(c.Replicas)+1); active <= all/2 {
		return fmt.Errorf("natslog: the leader of the stream, %s, is in contact with %d of %d replicas, itself included: no majority", c.Leader, active, all)
	}
	return nil
}

// Bounds implements [cluster.Order]. The leader answers, and only with a majority. It returns a [*StreamError] if the stream cannot be used.
func (o *Order) Bounds(ctx context.Context) (cluster.Bounds, error) {
	info, err := o.info(ctx)
	if err == nil {
		err = led(info)
	}
	if err != nil {
		return cluster.Bounds{}, err
	}
	return o.bounds(info), nil
}

func (o *Order) bounds(info *jetstream.StreamInfo) cluster.Bounds {
	s, largest := info.State, o.largest()
	if info.Config.MaxMsgSize > 0 {
		largest = min(largest, int(info.Config.MaxMsgSize)-overhead)
	}
	b := cluster.Bounds{First: s.FirstSeq, Last: s.LastSeq, Identity: identity(info), MaxMessage: largest}
	if s.Msgs == 0 {
		b.First = s.LastSeq + 1
	}
	return b
}

// staleTime is the longest time after which a leader that was replaced during a pause notices, once it runs again. In its first milliseconds
// it takes old answers of its replicas for new ones.
const staleTime = 1500 * time.Millisecond

// reaching returns the bounds of an order that has at least last messages, or else a [*cluster.BackError]. That error makes hubs begin a
// generation, so two answers must agree on it.
func (o *Order) reaching(ctx context.Context, last uint64) (cluster.Bounds, error) {
	for again := false; ; again = true {
		info, err := o.info(ctx)
		if err == nil {
			err = led(info)
		}
		if err != nil {
			return cluster.Bounds{}, err
		}
		b := o.bounds(info)
		switch {
		case last <= b.Last:
			return b, nil
		case again || info.Config.Replicas <= 1:
			return b, &cluster.BackError{Last: b.Last}
		}
		if err := pause(ctx, staleTime); err != nil {
			return cluster.Bounds{}, err
		}
	}
}

// Message implements [cluster.Order]. The leader answers, and only with a majority.
//
// The answer with the message does not name the leader. A leader that was replaced without noticing can only lack messages, so a message
// that it has is one of the order. A missing message counts as missing only if the bounds confirm it.
func (o *Order) Message(ctx context.Context, seq uint64) (cluster.Message, error) {
	for again := false; ; again = true {
		m, err := o.next(ctx, seq)
		if err != nil && !errors.Is(err, errNoMessage) {
			return cluster.Message{}, err
		}
		b, bounds := o.reaching(ctx, seq)
		switch {
		case bounds != nil:
			return cluster.Message{}, bounds
		case err == nil && m.Seq == seq:
			return m, nil
		case err == nil: // dropped by now, or lost
			return cluster.Message{}, &cluster.GoneError{First: max(m.Seq, b.First)}
		case again: // the newest messages are lost
			return cluster.Message{}, &cluster.GoneError{First: b.Last + 1}
		} // the bounds are newer than the answer before them
	}
}

// errNoMessage says that there is no message with the number or above it.
var errNoMessage = errors.New("natslog: no such message")

// next asks the leader for the first message with number seq or above. A leader without a majority answers, too.
func (o *Order) next(ctx context.Context, seq uint64) (cluster.Message, error) {
	question := map[string]any{"seq": max(seq, 1), "next_by_subj": ">"}
	var answer struct {
		refusal
		Message struct {
			Seq    uint64    `json:"seq"`
			Header []byte    `json:"hdrs"`
			Data   []byte    `json:"data"`
			Time   time.Time `json:"time"`
		} `json:"message"`
	}
	if err := o.api(ctx, "STREAM.MSG.GET."+o.o.Stream, question, &answer); err != nil {
		return cluster.Message{}, err
	}
	if e := answer.Error; e != nil && e.ErrorCode == jetstream.JSErrCodeMessageNotFound {
		return cluster.Message{}, errNoMessage
	}
	if err := answer.err(); err != nil {
		return cluster.Message{}, err
	}
	header, err := nats.DecodeHeadersMsg(answer.Message.Header)
	if err != nil {
		header = nil // of a message that no hub has published
	}
	m := answer.Message
	return message(m.Seq, m.Time, header, m.Data), nil
}
