package logtest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tidings-sse/tidings/eventlog"
)

// RunMirrors appends random batches to a log, and applies them to two mirrors: to one at once, to the other later and in other batches. The
// logs have different clocks, so that they trim at different moments, and are opened again now and then. All three have to decide alike.
// Then both mirrors go back to an older record in a new generation, which one of them may not have reached yet, and continue.
//
// It stops at the first difference.
func RunMirrors(t *testing.T, h Harness, seed uint64, operations int) {
	s := &mirrors{T: t, h: h, seed: seed, rand: rand.New(rand.NewPCG(seed, 5)), clock: newClock(), moved: map[uint64]uint64{}}
	rules := s.rules()
	s.origin = h.Open(t, Options{Retention: rules, Now: s.clock.time})
	s.early, s.late = s.open(rules, newClock()), s.open(rules, newClock())
	for range operations {
		s.step()
	}
	s.catchUp(len(s.waiting))
	s.sameRecords()
	for _, log := range []eventlog.Log{s.origin, s.early.log, s.late.log} {
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	}
}

// mirrors are an origin, to which records are appended, and two mirrors of it.
type mirrors struct {
	*testing.T
	h     Harness
	seed  uint64
	rand  *rand.Rand
	clock *clock

	origin      eventlog.Log
	apart       bool // the mirrors have records that the origin does not have
	early, late *follower
	waiting     []message         // that late does not have yet
	moved       map[uint64]uint64 // from numbers of the origin to those of the mirrors
	done        []string
}

// follower is a mirror with a clock of its own.
type follower struct {
	log   eventlog.Mirror
	clock *clock
}

// message is a message of the shared log: a batch, or new rules.
type message struct {
	batch eventlog.Batch
	want  eventlog.Outcome // of early
	rules *eventlog.Retention
}

func (s *mirrors) open(rules *eventlog.Retention, c *clock) *follower {
	s.Helper()
	log := s.h.Open(s.T, Options{Retention: rules, Mirror: true, Now: c.time}).(eventlog.Mirror)
	s.check(log.SetGeneration(s.Context(), "first", 0))
	return &follower{log, c}
}

func (s *mirrors) check(err error) {
	s.Helper()
	if err != nil {
		s.fail("%v", err)
	}
}

func (s *mirrors) fail(format string, args ...any) {
	s.Helper()
	s.Fatalf("%s\nthe last of %d operations:\n%s\nto repeat: TIDINGS_SEED=%d go test -run '^%s$'",
		fmt.Sprintf(format, args...), len(s.done), strings.Join(s.done[max(0, len(s.done)-30):], "\n"), s.seed, s.Name())
}

func (s *mirrors) note(format string, args ...any) {
	s.done = append(s.done, fmt.Sprintf("%d: ", s.clock.time().UnixMilli())+fmt.Sprintf(format, args...))
}

func (s *mirrors) rules() *eventlog.Retention {
	r := &eventlog.Retention{
		Bytes: -1, Events: -1, Topics: 1 + s.rand.IntN(5),
		KeyAge: time.Duration(1+s.rand.IntN(40)) * time.Second, Keys: 1 + s.rand.IntN(8),
	}
	if s.rand.IntN(2) == 0 {
		r.Events = int64(5 + s.rand.IntN(40))
	}
	for _, pattern := range []string{"a/**", "b/**", "**"} {
		kept := rule(pattern, eventlog.Rule{Age: time.Duration(s.rand.IntN(40)) * time.Second})
		switch s.rand.IntN(3) {
		case 0:
			kept.Count = 1 + s.rand.IntN(4)
		case 1:
			kept.Latest = 1 + s.rand.IntN(3)
		}
		r.Rules = append(r.Rules, kept)
	}
	return r
}

func (s *mirrors) step() {
	switch n := s.rand.IntN(100); {
	case n < 15:
		d := time.Duration(s.rand.IntN(5000)-500) * time.Millisecond
		if s.rand.IntN(20) == 0 {
			d = 7*24*time.Hour + time.Duration(s.rand.IntN(5))*time.Second
		}
		s.clock.move(d)
	case n < 20: // the mirrors' clocks advance, sometimes far ahead
		for _, p := range []*follower{s.early, s.late} {
			p.clock.move(time.Duration(s.rand.IntN(20)) * time.Second)
		}
	case n < 32:
		s.trim()
	case n < 35:
		s.reopen()
	case n < 37:
		s.changeRules()
	case n < 40:
		s.goBack()
	case n < 50:
		s.catchUp(s.rand.IntN(len(s.waiting) + 1))
	default:
		s.append()
	}
}

// trim applies retention to one of the logs that do so in the background.
func (s *mirrors) trim() {
	logs := []eventlog.Log{s.early.log, s.late.log}
	if !s.apart {
		logs = append(logs, s.origin)
	}
	b := bench{T: s.T, log: logs[s.rand.IntN(len(logs))]}
	b.settle()
}

func (s *mirrors) reopen() {
	if s.h.Reopen == nil {
		return
	}
	p := []*follower{s.early, s.late}[s.rand.IntN(2)]
	s.note("reopen a mirror at %v", p.log.Head())
	p.log = s.h.Reopen(s.T, p.log).(eventlog.Mirror)
}

func (s *mirrors) append() {
	var records []eventlog.Record
	for range 1 + s.rand.IntN(3) {
		var r eventlog.Record
		for _, i := range s.rand.Perm(5)[:1+s.rand.IntN(2)] {
			r.Topics = append(r.Topics, []string{"a/1", "a/2", "b/1", "b/2", "c"}[i])
		}
		if s.rand.IntN(3) == 0 {
			r.Key, r.Data = string(rune('k'+s.rand.IntN(4))), string(rune('0'+s.rand.IntN(2)))
		}
		if s.rand.IntN(8) == 0 {
			r.Flags = eventlog.End
		}
		records = append(records, r)
	}
	if s.rand.IntN(50) == 0 {
		records = append(records, eventlog.Record{}) // without a topic
	}
	b := eventlog.Batch{First: s.early.log.Head().Seq + 1 + uint64(s.rand.IntN(3)), Time: s.clock.time(), Records: records}
	if s.rand.IntN(2) == 0 {
		b.Encoded = encoded(records)
	}
	s.note("append %+v", b)
	outcomes, err := s.early.log.Apply(s.Context(), []eventlog.Batch{b}, fixed(b.Time.String()))
	s.check(err)
	s.waiting = append(s.waiting, message{batch: b, want: outcomes[0]})
	if !s.apart {
		receipts, err := s.origin.Append(s.Context(), records)
		s.compare(eventlog.Outcome{Receipts: receipts, Err: err}, outcomes[0])
	}
}

// compare compares the results of Append and of Apply, which differ in generation and numbers.
func (s *mirrors) compare(appended, applied eventlog.Outcome) {
	s.Helper()
	if len(appended.Receipts) != len(applied.Receipts) {
		s.fail("Append: %+v\nApply: %+v", appended, applied)
	}
	for i, r := range appended.Receipts {
		if !r.Duplicate {
			s.moved[r.Seq] = applied.Receipts[i].Seq
		}
		r.Position = eventlog.Position{Gen: s.early.log.Head().Gen, Seq: s.moved[r.Seq]}
		if r != applied.Receipts[i] {
			s.fail("Append: %+v\nApply: %+v", appended, applied)
		}
	}
	if s.reason(appended.Err) != s.reason(applied.Err) {
		s.fail("Append: %v\nApply: %v", appended.Err, applied.Err)
	}
}

// reason returns the text of a refusal without positions.
func (s *mirrors) reason(err error) string {
	refused, _ := errors.AsType[*eventlog.RecordError](err)
	if refused == nil {
		return fmt.Sprint(err)
	}
	ended, _ := errors.AsType[*eventlog.EndedError](err)
	key, _ := errors.AsType[*eventlog.KeyError](err)
	switch {
	case ended != nil:
		return fmt.Sprint(refused.Index, " ended ", ended.Topic)
	case key != nil:
		return fmt.Sprint(refused.Index, " key ", key.Topic, key.Key)
	}
	return err.Error()
}

// catchUp applies messages to late, up to a place, in several calls.
func (s *mirrors) catchUp(upTo int) {
	for upTo > 0 {
		n := 1 + s.rand.IntN(upTo)
		s.apply(s.waiting[:n])
		s.waiting, upTo = s.waiting[n:], upTo-n
	}
}

func (s *mirrors) apply(messages []message) {
	for len(messages) > 0 {
		if messages[0].rules != nil {
			s.note("the late mirror gets the rules")
			s.check(s.late.log.SetRetention(s.Context(), messages[0].rules))
			messages = messages[1:]
			continue
		}
		n := slices.IndexFunc(messages, func(l message) bool { return l.rules != nil })
		if n < 0 {
			n = len(messages)
		}
		var batches []eventlog.Batch
		var want []eventlog.Outcome
		for _, l := range messages[:n] {
			batches, want = append(batches, l.batch), append(want, l.want)
		}
		s.note("the late mirror gets %d batches", n)
		got, err := s.late.log.Apply(s.Context(), batches, nil)
		s.check(err)
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmp.Comparer(sameError)); diff != "" {
			s.fail("the mirrors decide differently (-early +late):\n%s", diff)
		}
		messages = messages[n:]
	}
}

// changeRules changes the rules of both mirrors at the same place.
func (s *mirrors) changeRules() {
	rules := s.rules()
	s.note("rules %+v", rules)
	s.apart = true
	s.check(s.early.log.SetRetention(s.Context(), rules))
	s.waiting = append(s.waiting, message{rules: rules})
}

// goBack drops some of the newest batches, of which late has less. Afterwards the time of the shared log may be a little earlier.
func (s *mirrors) goBack() {
	n := len(s.waiting)
	for n > 0 && s.waiting[n-1].rules == nil && s.rand.IntN(4) > 0 {
		n--
	}
	if n < len(s.waiting) {
		s.clock.move(-time.Duration(s.rand.IntN(3000)) * time.Millisecond)
	}
	s.catchUp(n)
	s.waiting = nil
	gen, after := fmt.Sprintf("g%05d", len(s.done)), s.late.log.Head().Seq
	s.note("generation %s after %d of %d", gen, after, s.early.log.Head().Seq)
	s.apart = true
	for _, p := range []*follower{s.early, s.late} {
		s.check(p.log.SetGeneration(s.Context(), gen, after))
	}
}

// sameRecords compares the records of the logs, as far as they have not trimmed them.
func (s *mirrors) sameRecords() {
	s.Helper()
	var all []map[uint64]string
	for _, p := range []*follower{s.early, s.late} {
		found := map[uint64]string{}
		for _, r := range (&bench{T: s.T, log: p.log}).all(eventlog.Everything()) {
			found[r.Seq] = fmt.Sprintf("%v %q", r.Time, r.AppendTo(nil))
		}
		all = append(all, found)
	}
	for seq, r := range all[0] {
		if other, ok := all[1][seq]; ok && r != other {
			s.fail("record %d is %s and %s", seq, r, other)
		}
	}
	if early, late := s.early.log.Head(), s.late.log.Head(); early != late {
		s.fail("the heads are %v and %v", early, late)
	}
}
