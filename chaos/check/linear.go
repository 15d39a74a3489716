package check

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/tidings-sse/tidings/chaos/history"
)

// Linear is the result of porcupine for the topics that several publishers contest.
type Linear struct {
	Topics     int `json:"topics"`
	Operations int `json:"operations"`
	Undecided  int `json:"undecided"` // the search took too long
}

// contested reports whether several clients append to a topic, read it and end it at the same time.
func contested(topic string) bool { return strings.HasPrefix(topic, "duel/") }

// stroke is one operation on a contested topic.
type stroke struct {
	name string // what is appended
	end  bool   // it ends the topic
	read bool   // it reads
}

type strokeAnswer struct {
	outcome history.Outcome
	names   []string // that a read has returned
}

// contest is a topic: the names in it, each followed by a space, and an exclamation mark when it has ended.
type contest string

func (c contest) ended() bool          { return strings.HasSuffix(string(c), "!") }
func (c contest) has(name string) bool { return strings.Contains(" "+string(c), " "+name+" ") }
func (c contest) with(s stroke) contest {
	c += contest(s.name + " ")
	if s.end {
		c += "!"
	}
	return c
}

// step returns the possible states of a topic after an operation with this answer: these are all decisions that a hub may take. A read
// may return an earlier state, because a hub may be behind, but never a state that did not exist.
func step(c contest, s stroke, a strokeAnswer) []contest {
	switch {
	case s.read:
		if strings.HasPrefix(strings.TrimSuffix(string(c), "!"), text(a.names)) {
			return []contest{c}
		}
		return nil
	case c.has(s.name):
		if a.outcome == history.Duplicate || a.outcome == history.Unknown {
			return []contest{c}
		}
		return nil
	case c.ended():
		if a.outcome == history.Refused || a.outcome == history.Unknown {
			return []contest{c}
		}
		return nil
	case a.outcome == history.Unknown:
		return []contest{c, c.with(s)}
	case a.outcome == history.OK:
		return []contest{c.with(s)}
	}
	return nil
}

func text(names []string) string {
	var b strings.Builder
	for _, name := range names {
		b.WriteString(name + " ")
	}
	return b.String()
}

var model = porcupine.NondeterministicModel{
	Init: func() []any { return []any{contest("")} },
	Step: func(state, input, output any) []any {
		var next []any
		for _, c := range step(state.(contest), input.(stroke), output.(strokeAnswer)) { //nolint:forcetypeassert // the types of this model
			next = append(next, c)
		}
		return next
	},
}

// searchTime is how long a search may take. A search with many unknown outcomes would never end.
const searchTime = time.Second

// linearizable is rule L. After a reported loss it checks nothing, because the model loses nothing.
func (c *checker) linearizable() (result Linear) {
	if c.loss() < math.MaxInt64 || c.promise.Resets || !c.promise.Keys || !c.promise.Ends {
		return result
	}
	checked := model.ToModel()
	for topic, lines := range c.duels {
		var operations []porcupine.Operation
		for i, l := range lines {
			if op, ok := operation(l); ok {
				op.ClientId = i
				operations = append(operations, op)
			}
		}
		result.Topics++
		result.Operations += len(operations)
		switch porcupine.CheckOperationsTimeout(checked, operations, searchTime) {
		case porcupine.Illegal:
			numbers := make([]int, len(lines))
			for i, l := range lines {
				numbers[i] = l.N
			}
			slices.Sort(numbers)
			c.broken("L", numbers, "the answers about %s cannot have come from one log", topic)
		case porcupine.Unknown:
			result.Undecided++
		case porcupine.Ok:
		}
	}
	return result
}

// operation returns the operation of a line, unless it certainly had no effect.
func operation(l history.Line) (porcupine.Operation, bool) {
	op := porcupine.Operation{Call: l.At, Return: l.End}
	if l.Kind == history.Read {
		op.Input, op.Output = stroke{read: true}, strokeAnswer{names: l.Names}
		return op, true
	}
	op.Input, op.Output = stroke{name: l.Events[0].Name, end: l.Events[0].End}, strokeAnswer{outcome: l.Outcome}
	if l.Outcome == history.Unknown {
		op.Return = math.MaxInt64 // it may still take effect
	}
	return op, l.Outcome != history.Busy
}
