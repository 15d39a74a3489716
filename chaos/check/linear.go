package check

import (
	"slices"
	"strings"
	"time"

	"github.com/tidings-sse/tidings/chaos/history"
	"github.com/tidings-sse/tidings/eventlog/cluster/ordertest"
)

// Linear is the result of porcupine for the topics that several publishers contest.
type Linear struct {
	Topics     int `json:"topics"`
	Operations int `json:"operations"`
	Undecided  int `json:"undecided"` // the search took too long
}

// contested reports whether several clients append to a topic, read it and end it at the same time.
func contested(topic string) bool { return strings.HasPrefix(topic, "duel/") }

// searchTime is how long a search may take. A search with many unknown outcomes would never end.
const searchTime = time.Second

// linearizable is rule L. It checks the duels that were over before the first loss, because the model loses nothing.
func (c *checker) linearizable() (result Linear) {
	loss := c.loss()
	if c.promise.Resets || !c.promise.Keys || !c.promise.Ends {
		return result
	}
	for topic, lines := range c.duels {
		if slices.ContainsFunc(lines, func(l history.Line) bool { return max(l.At, l.End) >= loss }) {
			continue
		}
		var operations []ordertest.Operation
		for _, l := range lines {
			if op, ok := operation(l); ok {
				operations = append(operations, op)
			}
		}
		result.Topics++
		result.Operations += len(operations)
		switch ordertest.Linearizable(operations, searchTime) {
		case ordertest.Impossible:
			numbers := make([]int, len(lines))
			for i, l := range lines {
				numbers[i] = l.N
			}
			slices.Sort(numbers)
			c.broken("L", numbers, "the answers about %s cannot have come from one log", topic)
		case ordertest.Undecided:
			result.Undecided++
		case ordertest.Possible:
		}
	}
	return result
}

var answers = map[history.Outcome]ordertest.Answer{
	history.OK:        ordertest.IsStored,
	history.Duplicate: ordertest.IsAgain,
	history.Refused:   ordertest.HasEnded, // no duel uses a key for two events
	history.Unknown:   ordertest.IsUnknown,
}

// operation returns the operation of a line, unless it certainly had no effect.
func operation(l history.Line) (op ordertest.Operation, ok bool) {
	op = ordertest.Operation{Call: time.Duration(l.At) * time.Microsecond, Return: time.Duration(l.End) * time.Microsecond}
	if l.Kind == history.Read {
		op.Read = append([]string{}, l.Names...)
		return op, true
	}
	e := &l.Events[0]
	op.Key, op.Content, op.End, op.Answer = e.Name, e.Name, e.End, answers[l.Outcome]
	return op, l.Outcome != history.Busy
}
