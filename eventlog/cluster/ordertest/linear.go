package ordertest

import (
	"hash/maphash"
	"math"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// Operation is one append to a topic, or one read of it, as its client saw it.
type Operation struct {
	Call, Return time.Duration // when it began and ended, on one clock; without an answer, Return has no meaning

	// Append.
	Key     string // idempotency key; empty: none
	Content string // what distinguishes the event from others with the same key
	End     bool   // it ends the topic
	Answer  Answer

	// Read: the contents of all events of the topic, in order; not nil.
	Read []string
}

// Answer is the outcome of an append to a topic.
type Answer string

// Answers of a log. An append that certainly had no effect is no operation.
const (
	IsStored  Answer = "stored"  // the event is stored
	IsAgain   Answer = "again"   // it was stored before, with the same key
	HasEnded  Answer = "ended"   // refused: the topic has ended
	IsReused  Answer = "reused"  // refused: the key belongs to another event
	IsUnknown Answer = "unknown" // no answer: it may be stored, at any time after Call, or refused
)

// Verdict is the result of [Linearizable].
type Verdict string

// Verdicts.
const (
	Possible   Verdict = "possible"   // one log can have given these answers
	Impossible Verdict = "impossible" // no log can have given them
	Undecided  Verdict = "undecided"  // the search took too long
)

// Linearizable searches for an order of the operations on one topic in which a single log would have given the same answers. An operation
// that returned before another one was called comes first in that order. It is a second opinion beside [Check], which has rules of its own
// for the same promises. The search takes exponential time in the worst case. Undecided is its answer after a limit, which is real time.
//
// The log forgets neither keys nor ends. A read may return an earlier state of the topic, because a hub may be behind, but never a state
// that did not exist.
func Linearizable(operations []Operation, limit time.Duration) Verdict {
	history := make([]porcupine.Operation, len(operations))
	for i := range operations {
		op := &operations[i]
		history[i] = porcupine.Operation{ClientId: i, Input: op, Call: int64(op.Call), Return: int64(op.Return)}
		if op.Read == nil && op.Answer == IsUnknown {
			history[i].Return = math.MaxInt64
		}
	}
	switch porcupine.CheckOperationsTimeout(topicModel.ToModel(), history, limit) {
	case porcupine.Ok:
		return Possible
	case porcupine.Illegal:
		return Impossible
	case porcupine.Unknown:
	}
	return Undecided
}

var topicModel = porcupine.NondeterministicModel{
	Init: func() []any { return []any{topic{}} },
	Step: func(state, input, _ any) []any {
		var next []any
		for _, t := range state.(topic).after(input.(*Operation)) { //nolint:forcetypeassert // the types of this model
			next = append(next, t)
		}
		return next
	},
	Hash: func(state any) uint64 { return maphash.Comparable(seed, state.(topic)) }, //nolint:forcetypeassert // as above
}

// seed is of the hashes with which a search finds equal states.
var seed = maphash.MakeSeed()

// topic is a state of a topic. Its fields are strings so that states can be compared.
type topic struct {
	contents string // of its events, each with a zero byte behind it
	keys     string // each with "\x01", the content and a zero byte behind it, and a zero byte before the first
	ended    bool
}

// after returns the possible states after an operation; none: its answer is wrong in this state. A log checks the key before the end.
func (t topic) after(op *Operation) []topic {
	if op.Read != nil {
		read := topic{}
		for _, content := range op.Read {
			read = read.with(&Operation{Content: content})
		}
		return t.unchanged(strings.HasPrefix(t.contents, read.contents))
	}
	content, known := t.content(op.Key)
	switch {
	case known && content == op.Content:
		return t.unchanged(op.Answer == IsAgain || op.Answer == IsUnknown)
	case known:
		return t.unchanged(op.Answer == IsReused || op.Answer == IsUnknown)
	case t.ended:
		return t.unchanged(op.Answer == HasEnded || op.Answer == IsUnknown)
	case op.Answer == IsStored:
		return []topic{t.with(op)}
	case op.Answer == IsUnknown:
		return []topic{t, t.with(op)}
	}
	return nil
}

// unchanged returns the state unchanged if the answer of the operation fits.
func (t topic) unchanged(fits bool) []topic {
	if fits {
		return []topic{t}
	}
	return nil
}

// content returns the content of the event with a key.
func (t topic) content(key string) (content string, known bool) {
	if key == "" {
		return "", false
	}
	_, after, known := strings.Cut(t.keys, "\x00"+key+"\x01")
	content, _, _ = strings.Cut(after, "\x00")
	return content, known
}

func (t topic) with(op *Operation) topic {
	t.contents += op.Content + "\x00"
	if op.Key != "" {
		if t.keys == "" {
			t.keys = "\x00"
		}
		t.keys += op.Key + "\x01" + op.Content + "\x00"
	}
	t.ended = op.End
	return t
}
