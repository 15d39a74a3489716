package natslog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tidings-sse/tidings/eventlog/cluster"
)

// Publish implements [cluster.Order].
//
// A message is certainly not stored in three cases: the client could not send it; no server subscribes to the subject, as during an
// election; or the leader refuses the message before it proposes it to the replicas. In all other cases the outcome is unknown: after
// silence, after a broken connection, after a refusal that may follow the proposal, and after the refusal of a message whose identifier is
// just being stored.
func (o *Order) Publish(ctx context.Context, to string, id cluster.ID, data []byte) error {
	if largest := o.largest(); len(data) > largest {
		return &cluster.RefusedError{Err: fmt.Errorf("natslog: the message has %d bytes, and NATS takes %d: raise max_payload of its servers", len(data), largest)}
	}
	at := o.last.Load()
	if at == nil {
		_, err := o.info(ctx)
		if err != nil && ctx.Err() == nil {
			err = &cluster.RefusedError{Err: err, Later: true}
		}
		if err != nil {
			return err
		}
		at = o.last.Load()
	}
	if to != "" && to != at.identity {
		return &cluster.RefusedError{Err: cluster.ErrReplaced, Later: true}
	}
	m := &nats.Msg{Subject: at.subject, Data: data, Header: nats.Header{
		nats.MsgIdHdr:          {id.String()},
		nats.ExpectedStreamHdr: {o.o.Stream}, // the subject may belong to another stream now
	}}
	term := o.term.Load()
	asking, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(term.ctx, cancel)()
	answer, err := o.request(asking, m, answerTime)
	switch {
	case errors.Is(err, nats.ErrNoResponders), errors.Is(err, nats.ErrReconnectBufExceeded):
		return &cluster.RefusedError{Err: err, Later: true}
	case errors.Is(err, nats.ErrMaxPayload):
		return &cluster.RefusedError{Err: err}
	case err != nil && ctx.Err() == nil && term.ctx.Err() != nil:
		return cluster.ErrNewLeader
	case err != nil:
		return err
	}
	var ack struct {
		refusal
		Seq uint64 `json:"seq"`
	}
	if err := json.Unmarshal(answer.Data, &ack); err != nil {
		return fmt.Errorf("natslog: JetStream's answer is not valid: %w", err)
	}
	if ack.Error != nil {
		return refused(ack.Error)
	}
	if ack.Seq == 0 {
		return fmt.Errorf("natslog: JetStream's answer has no number: %q", answer.Data)
	}
	return nil
}

// refused returns the error for a refusal, a definite one if JetStream sends its code only before it proposes a message.
func refused(e *jetstream.APIError) error {
	err := said(e)
	switch e.ErrorCode {
	case codeAccountExceeded, codeNoResources, codeStorageExceeded, codeOtherStream, codeSealed:
		return &cluster.RefusedError{Err: err, Later: true} // an operator can change it
	case jetstream.JSErrCodeStreamMessageExceedsMaximum:
		return &cluster.RefusedError{Err: err}
	}
	return err
}
