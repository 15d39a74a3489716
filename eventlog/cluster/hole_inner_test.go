package cluster

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"
)

// TestHubThatWasAloneHasItsEvents: it makes the order, and the message that begins the first generation is damaged when it reads it. Other hubs must not pass
// over the messages before, which are its events.
func TestHubThatWasAloneHasItsEvents(t *testing.T) {
	f := &follower{}
	f.place.seq = 5
	if has := f.has(); has != 0 {
		t.Errorf("a hub that has kept nothing has messages up to %d", has)
	}
	f.place.head = 3 << recordBits
	if has := f.has(); has != 5 {
		t.Errorf("a hub with events has messages up to %d", has)
	}
}

// flawedOrder returns for each message its own error or data.
type flawedOrder struct {
	Order
	messages map[uint64][]any // of one message, the answers one after the other; the last one is repeated
}

func (o *flawedOrder) Message(_ context.Context, seq uint64) (Message, error) {
	answers := o.messages[seq]
	if len(answers) == 0 {
		return Message{}, &BackError{Last: seq - 1}
	}
	if len(answers) > 1 {
		o.messages[seq] = answers[1:]
	}
	if err, ok := answers[0].(error); ok {
		return Message{}, err
	}
	return Message{Seq: seq, Data: []byte(answers[0].(string))}, nil
}

// TestHubConfirmsOnlyWhatTheOrderCannotGive: another hub stands before a message that this one has not come to. An error of the connection, or a message
// that is damaged only once, does not confirm that the order cannot give it.
func TestHubConfirmsOnlyWhatTheOrderCannotGive(t *testing.T) {
	good := string((&control{}).frame(0, 0, hint{}))
	bad := "no frame"
	for name, test := range map[string]struct {
		messages map[uint64][]any
		want     uint64 // the first message that is not confirmed
	}{
		"damaged":                      {map[uint64][]any{8: {bad}, 9: {good}}, 9},
		"damaged up to the end":        {map[uint64][]any{8: {bad}, 9: {bad}}, 10},
		"dropped and damaged":          {map[uint64][]any{8: {&GoneError{First: 11}}, 11: {bad}, 12: {good}}, 12},
		"readable":                     {map[uint64][]any{8: {good}, 9: {bad}}, 8},
		"damaged once":                 {map[uint64][]any{8: {bad, good}}, 8},
		"damaged, then no answer":      {map[uint64][]any{8: {bad, errors.New("no contact")}}, 8},
		"no answer":                    {map[uint64][]any{8: {errors.New("no contact")}}, 8},
		"the second one has no answer": {map[uint64][]any{8: {bad}, 9: {errors.New("no contact")}}, 9},
		"another order":                {map[uint64][]any{8: {&GoneError{First: 3}}}, 8},
		"of a newer version":           {map[uint64][]any{8: {newer()}}, 8},
		"the order has no such one":    {map[uint64][]any{}, 8},
	} {
		f := &follower{Log: &Log{order: &flawedOrder{messages: test.messages}, ctx: t.Context()}}
		f.peers.standing = map[string]stood{"b": {lack: lack{7, 9}, at: time.Now()}}
		f.confirm(3)
		var want []lack
		if test.want > 8 {
			want = []lack{{7, test.want}}
		}
		if !slices.Equal(f.confirmed, want) {
			t.Errorf("%s: the hub confirms %v, want %v", name, f.confirmed, want)
		}
	}
}

// newer returns a frame of a version that this hub does not know.
func newer() string {
	b := (&control{}).frame(0, 0, hint{})
	b[0] = version + 1
	sealFrame(b)
	return string(b)
}
