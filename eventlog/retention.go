package eventlog

import (
	"fmt"
	"time"
)

// Retention defines which records a log keeps. Nil and the zero value mean the defaults. A mirror needs the same Retention as the log that
// it follows.
//
// A log may apply retention in the background. Readers may see more than it allows for about a second.
//
// Age, Count, Bytes and Events trim records: readers that did not see them get a gap. Latest supersedes records: readers get no
// gap.
type Retention struct {
	// Rules are tried in order; the first one whose pattern matches a topic is its only rule. Topics without a matching rule
	// keep their records for 7 days. [Reserved] topics without one keep their newest 10,000 records; older ones are superseded.
	Rules []Rule

	// Bytes and Events limit all records together. The oldest records are trimmed first, whatever their rule. Records of [Reserved] topics
	// count too, but are not trimmed by these limits, because the hub needs them.
	Bytes  int64 // by Record.Size; 0: 1 GiB; negative: no limit
	Events int64 // 0 or negative: no limit

	// Topics is how many dead topics the log remembers. A topic is dead when it has no records left; the log remembers what it
	// lost, to report gaps. Dead topics also take at most an eighth of Bytes, by [DeadTopicSize]. Beyond these limits those with the
	// oldest last records are forgotten, and raise Bounds.Floor to these. A topic that dies later with a last record up to
	// there is forgotten at once. 0: 1 million; negative: none
	Topics int

	// KeyAge and Keys limit how long an idempotency key is known: for this time, and until this many other keys were used.
	// Time is that of the records. 0: 24 hours and 1 million
	KeyAge time.Duration
	Keys   int
}

// Rule defines which records each topic that matches a pattern keeps. Without any limit, a topic keeps its records until the limits of the
// whole log trim them.
type Rule struct {
	Pattern Pattern
	Age     time.Duration // trim older records; 0: no limit
	Count   int           // trim all but this many of the newest; 0: no limit. A last record that ends the topic is neither counted nor trimmed
	Latest  int           // supersede all but this many of the newest; 0: no limit. Ends as for Count
}

// EndAge returns for how long an end holds in a topic with this rule: for the rule's age, or 7 days if it has none. The topic has ended
// for every record whose time is at most this much later than the end's. Count, Latest, Bytes and Events do not free a name.
func (r *Rule) EndAge() time.Duration {
	if r.Age > 0 {
		return r.Age
	}
	return defaultAge
}

const (
	defaultAge    = 7 * 24 * time.Hour
	defaultKeep   = 1 << 30
	defaultTopics = 1_000_000
	defaultKeyAge = 24 * time.Hour
	defaultKeys   = 1_000_000
	reservedKeep  = 10_000
)

// WithDefaults returns a copy of r with the defaults filled in, including a last rule that matches every topic. In the copy, 0
// means no limit for Bytes and Events, and no dead topics for Topics. The error is an *InvalidError.
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

// reserved is the rule of reserved topics: the newest records stay, however old they are.
var reserved = Rule{Latest: reservedKeep}

// Rule returns the rule for a topic. The defaults of r must be filled in.
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

// UndoKeys returns how many more keys than Keys a log remembers, see [UndoTime]: a sixteenth, and 100. The defaults of r must be filled
// in.
func (r *Retention) UndoKeys() int { return r.Keys/16 + 100 }

// DeadTopicSize is the size that a dead topic counts for: twice its name and 128 bytes, about what it takes on disk.
func DeadTopicSize(topic string) int64 { return 2*int64(len(topic)) + 128 }

// Remembers reports whether the log may remember this many dead topics with this total size. The defaults of r must be filled
// in.
func (r *Retention) Remembers(topics, size int64) bool {
	return topics <= int64(r.Topics) && (r.Bytes == 0 || size <= r.Bytes/8)
}
