package natslog

import (
	"crypto/sha256"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/tidings-sse/tidings/eventlog/cluster"
)

// message returns a message of the stream. A message that no hub has published has no identifier. It gets one that is made of its content,
// so that hubs can distinguish it from others.
func message(seq uint64, stored time.Time, header nats.Header, data []byte) cluster.Message {
	id, err := cluster.ParseID(header.Get(nats.MsgIdHdr))
	if err != nil {
		sum := sha256.Sum256(data)
		id = cluster.ID(sum[:len(id)])
	}
	return cluster.Message{Seq: seq, First: cluster.FirstOf(seq), Time: stored.UTC().Truncate(time.Millisecond), ID: id, Data: data}
}

// stored returns the message of the stream that m repeats, as a doorbell or a direct get. The subject is that of the stream: an earlier stream,
// or a later one, had another one.
func (o *Order) stored(m *nats.Msg, subject string) (cluster.Message, error) {
	seq, err := strconv.ParseUint(m.Header.Get("Nats-Sequence"), 10, 64)
	if err != nil || m.Header.Get("Nats-Stream") != o.o.Stream || m.Header.Get("Nats-Subject") != subject {
		return cluster.Message{}, fmt.Errorf("natslog: a message on %q is not from the subject %q of the stream %q", m.Subject, subject, o.o.Stream)
	}
	at, err := time.Parse(time.RFC3339Nano, m.Header.Get("Nats-Time-Stamp"))
	if err != nil {
		return cluster.Message{}, fmt.Errorf("natslog: message %d of the stream %q has no time: %w", seq, o.o.Stream, err)
	}
	return message(seq, at, m.Header, m.Data), nil
}
