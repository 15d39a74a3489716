package fanout

import (
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// group is all subscribers of a shard with the same selector, encoding and heartbeat. Its live members are at the same position, so that
// the bytes that come next are joined once for all of them.
type group struct {
	key       string // selector, encoding and heartbeat as a text
	wants     string // the part of key that names the selector
	selector  eventlog.Selector
	encoding  Encoding
	heartbeat heartbeat
	gzip      bool // the streams are compressed

	members int       // subscribers at every stage
	live    []member  // direct subscribers that are live
	runners []*runner // subscribers with a runner

	sent   uint64   // sequence number of the newest event that all live members have
	wrote  int64    // tick of the shard's wheel when it was sent
	bytes  int64    // sent to each in live, since the group began
	events []*event // events of the current pass for the group
	pass   uint64   // the pass that events belongs to
	asked  uint64   // sequence number of the newest event that was offered to the group in that pass

	coder *coder // of a compressed group that has enough members

	unended atomic.Int32 // index of the name that had not ended at the last check; shards, replayers and runners use it
}

// member is a live subscriber, with the fields that the send loop needs.
type member struct {
	fd     int32 // of a plain socket, -1 for all others
	inStep bool  // it gets the parts that the group's coder makes
	sub    *direct
}

// heartbeat is how often a subscriber gets a checkpoint as a heartbeat, in milliseconds. 0 means the default: control messages
// ControlHeartbeat at the interval of [Options.Heartbeat]. It belongs to the group, so that it costs a subscriber no memory.
type heartbeat uint32

// longestHeartbeat is far longer than the idle timeout of any proxy.
const longestHeartbeat = 24 * time.Hour

func heartbeatOf(d time.Duration) heartbeat {
	if d == 0 {
		return 0
	}
	return heartbeat(max(min(d, longestHeartbeat).Milliseconds(), 1))
}

func newGroup(s *Subscription) *group {
	wants := selectorKey(&s.Selector, s.Filter)
	g := &group{selector: s.Selector, encoding: s.Encoding, heartbeat: heartbeatOf(s.Heartbeat), gzip: s.Gzip}
	if g.gzip {
		g.encoding = newGzipped(s.Encoding)
	}
	g.key = wants + " " + strconv.FormatUint(uint64(g.heartbeat), 10) + " " + g.encoding.Key()
	g.wants = g.key[:len(wants)]
	return g
}

// unique numbers the selectors that cannot be compared.
var unique atomic.Uint64

// selectorKey returns a text that is the same for selectors that want the same records. Names and patterns may contain any byte, so each is
// preceded by its length. A matcher without a method String, and a filter without a name, equal no other.
func selectorKey(s *eventlog.Selector, filter string) string {
	matchers := make([]string, len(s.Matchers()))
	for i, m := range s.Matchers() {
		text, ok := m.(fmt.Stringer)
		switch _, native := m.(eventlog.Pattern); {
		case !ok:
			return "unique " + strconv.FormatUint(unique.Add(1), 10)
		case native:
			matchers[i] = "pattern " + text.String()
		default:
			matchers[i] = fmt.Sprintf("matcher %T %s", m, text)
		}
	}
	if s.Filtered() && filter == "" {
		return "unique " + strconv.FormatUint(unique.Add(1), 10)
	}
	slices.Sort(matchers)
	key := strconv.AppendInt(nil, int64(len(s.Names())), 10)
	for _, texts := range [][]string{s.Names(), matchers} {
		for _, text := range texts {
			key = strconv.AppendInt(append(key, ' '), int64(len(text)), 10)
			key = append(append(key, ':'), text...)
		}
	}
	if s.Filtered() {
		key = strconv.AppendInt(append(key, " filter "...), int64(len(filter)), 10)
		key = append(append(key, ':'), filter...)
	}
	return string(key)
}

func (g *group) addLive(d *direct) {
	d.place = int32(len(g.live))
	m := member{fd: -1, sub: d}
	if d.via == d {
		m.fd = d.fd
	}
	g.live = append(g.live, m)
	d.bytes.Add(-g.bytes)
}

// removeLive moves the last member into the place of the removed one, so a loop over live must look at that place again.
func (g *group) removeLive(d *direct) {
	d.bytes.Add(g.bytes)
	last := len(g.live) - 1
	g.live[d.place] = g.live[last]
	g.live[d.place].sub.place = d.place
	g.live[last] = member{}
	g.live = g.live[:last]
}

func (g *group) addRunner(r *runner) {
	r.place = int32(len(g.runners))
	g.runners = append(g.runners, r)
}

func (g *group) removeRunner(r *runner) {
	last := len(g.runners) - 1
	g.runners[r.place] = g.runners[last]
	g.runners[r.place].place = r.place
	g.runners[last] = nil
	g.runners = g.runners[:last]
}

// offer gives the group an event of a pass. It skips an event that it got before under another topic, or that the filter drops. It returns
// the cost in steps, and whether this is the group's first event of the pass.
func (g *group) offer(e *event, pass uint64) (steps int, first bool) {
	if g.pass != pass {
		g.pass, g.asked = pass, 0
	}
	if g.asked == e.record.Seq {
		return 0, false
	}
	g.asked = e.record.Seq
	if g.selector.Filtered() {
		steps = matchSteps
		if !g.selector.Keep(e.record) {
			return steps, false
		}
	}
	g.events = append(g.events, e)
	return steps, len(g.events) == 1
}
