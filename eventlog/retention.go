package eventlog

import (
	"fmt"
	"time"
)

// Retention says what a log keeps. Nil and the zero value mean the defaults. It is the same for every log; one that
// mirrors another needs the same as that.
//
// A log may apply it in the background: until then, for about a second, readers can see more than it says.
//
// What goes by Age, Count, Bytes or Events is trimmed, and a reader that would have needed it gets a gap.
// What goes by Latest is superseded, and nobody does.
type Retention struct {
	// Rules are asked in order, and the first whose pattern matches a topic is the only one for it. A topic that none
	// matches is kept for 7 days. Of a [Reserved] one the newest 10,000 records are kept, and older ones are superseded.
	Rules []Rule

	// Bytes and Events are of all records together. The oldest go first, whatever their rule; but records of [Reserved] topics,
	// which count like the others, stay, and the others go for them: what the hub says for itself has to hold whatever is published.
	Bytes  int64 // by Record.Size. 0: 1 GiB; negative: no bound
	Events int64 // 0 or negative: no bound

	// Topics is how many dead topics, those of which no record is left, are remembered with what they have lost.
	// By [DeadTopicSize] they take at most an eighth of Bytes, if that is a bound, besides the records. Those that died first are
	// forgotten and raise Bounds.Floor. 0: 1 million; negative: none
	Topics int

	// KeyAge and Keys say for how long a key is known: for this time, and until so many others have been used, measured
	// in the time and order of records. 0: 24 hours and 1 million.
	KeyAge time.Duration
	Keys   int
}

// Rule says what is kept of the topics that match a pattern, each for itself. One without a limit keeps until Bytes and
// Events of the whole log take it.
type Rule struct {
	Pattern Pattern
	Age     time.Duration // trim what is older; 0: no bound
	Count   int           // trim all but so many of the newest; 0: no bound. An end is not counted and not trimmed by it
	Latest  int           // supersede all but so many of the newest; 0: no bound. Likewise for ends
}

const (
	defaultAge    = 7 * 24 * time.Hour
	defaultKeep   = 1 << 30
	defaultTopics = 1_000_000
	defaultKeyAge = 24 * time.Hour
	defaultKeys   = 1_000_000
	reservedKeep  = 10_000
)

// WithDefaults returns a copy of r with the defaults filled in: there is a rule for every topic, and no
// field is 0 or negative where that has a meaning of its own, but for Events, where 0 remains for no bound, Bytes, where
// no bound becomes 0 too, and Topics, where none becomes 0. The error is an *InvalidError.
func (r *Retention) WithDefaults() (Retention, error) {
	var d Retention
	if r != nil {
		d = *r
	}
	d.Rules = append(d.Rules[:len(d.Rules):len(d.Rules)], Rule{Age: defaultAge})
	for i, rule := range d.Rules {
		last := i == len(d.Rules)-1
		switch {
		case rule.Pattern == Pattern{} && !last:
			return d, invalidRule(i, "it has no pattern")
		case rule.Age < 0 || rule.Count < 0 || rule.Latest < 0:
			return d, invalidRule(i, "a limit is negative; leave it out for none")
		case rule.Age > 0 && rule.Age < time.Millisecond:
			return d, invalidRule(i, "the age is below a millisecond, the unit of a record's time")
		case rule.Count > 0 && rule.Latest > 0:
			return d, invalidRule(i, "it has both count and latest; one trims with a gap, the other supersedes without")
		}
	}
	d.Bytes = bound(d.Bytes, defaultKeep)
	d.Events = bound(d.Events, 0)
	d.Topics = int(bound(int64(d.Topics), defaultTopics))
	if d.KeyAge < 0 || d.Keys < 0 {
		return d, &InvalidError{What: "retention", Reason: "how long keys are known is negative"}
	}
	d.KeyAge = time.Duration(bound(int64(d.KeyAge), int64(defaultKeyAge)))
	d.Keys = int(bound(int64(d.Keys), defaultKeys))
	return d, nil
}

func bound(n, standard int64) int64 {
	if n == 0 {
		return standard
	}
	return max(n, 0)
}

func invalidRule(i int, reason string) error {
	return &InvalidError{What: fmt.Sprintf("retention rule %d", i+1), Reason: reason}
}

// reserved is the rule of the hub's own topics: what they say holds however old it is, until the hub says it anew.
var reserved = Rule{Latest: reservedKeep}

// Rule returns the rule for a topic. r has its defaults filled in.
func (r *Retention) Rule(topic string) *Rule {
	last := len(r.Rules) - 1
	for i := range r.Rules[:last] {
		if r.Rules[i].Pattern.Match(topic) {
			return &r.Rules[i]
		}
	}
	if Reserved(topic) {
		return &reserved
	}
	return &r.Rules[last]
}

// DeadTopicSize is what it counts for to remember a dead topic: twice its name and 128 bytes, which is about what it takes on disk.
func DeadTopicSize(topic string) int64 { return 2*int64(len(topic)) + 128 }

// Remembers reports whether so many dead topics of this size in all may be remembered. r has its defaults filled in.
func (r *Retention) Remembers(topics, size int64) bool {
	return topics <= int64(r.Topics) && (r.Bytes == 0 || size <= r.Bytes/8)
}
