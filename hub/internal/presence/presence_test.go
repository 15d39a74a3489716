package presence

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/internal/wire"
)

// room is a table with a record of its messages.
type room struct {
	*testing.T
	*Table
	told map[string][]wire.Presence // by topic
}

func newRoom(t *testing.T, most int) *room {
	r := &room{T: t, told: make(map[string][]wire.Presence)}
	r.Table = New(Options{MaxMembers: most, Tell: func(topic *Topic, _ uint64, data string) {
		message, err := wire.ParsePresence(data)
		if err != nil {
			t.Errorf("%s: %v", data, err)
		}
		r.told[topic.Name()] = append(r.told[topic.Name()], message)
	}})
	return r
}

// settledRoom returns a room whose first grace is over.
func settledRoom(t *testing.T, most int) *room {
	r := newRoom(t, most)
	r.ticks(int(Grace / tick))
	return r
}

func (r *room) ticks(n int) {
	for range n {
		r.Tick()
	}
}

func (r *room) join(subject string, topics ...string) *Stay {
	r.Helper()
	stay, err := r.Join(topics, subject, "", "")
	if err != nil {
		r.Fatal(err)
	}
	return stay
}

// take returns the messages about a topic since the last call, each as a text.
func (r *room) take(topic string) (texts []string) {
	for _, m := range r.told[topic] {
		texts = append(texts, text(m))
	}
	delete(r.told, topic)
	return texts
}

// text returns a message as a text such as "2/1 +bob -eve" or "1/1 [bob]": streams, subjects, and what is told of them.
func text(m wire.Presence) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d/%d", m.Streams, m.Subjects)
	for _, one := range m.In {
		b.WriteString(" +" + one.Subject + string(one.Data))
	}
	for _, subject := range m.Out {
		b.WriteString(" -" + subject)
	}
	if m.Members != nil {
		var names []string
		for _, one := range m.Members {
			names = append(names, one.Subject+string(one.Data))
		}
		b.WriteString(" [" + strings.Join(names, " ") + "]")
	}
	if m.Settling {
		b.WriteString(" settling")
	}
	return b.String()
}

func (r *room) want(topic string, messages ...string) {
	r.Helper()
	if got := r.take(topic); !slices.Equal(got, messages) {
		r.Errorf("the watchers of %s were told %q, want %q", topic, got, messages)
	}
}

func (r *room) state(topic string) string {
	r.Helper()
	watched := r.Watch([]string{topic})
	defer r.Unwatch(watched)
	data, _ := watched[0].State()
	message, err := wire.ParsePresence(data)
	if err != nil {
		r.Fatal(err)
	}
	return text(message)
}

func TestWatchersAreToldOnceATick(t *testing.T) {
	r := settledRoom(t, 100)
	r.Watch([]string{"a"})
	bob := r.join("bob", "a", "b")
	r.join("eve", "a")
	r.want("a")
	r.Tick()
	r.want("a", "2/2 +bob +eve")
	r.Tick()
	r.want("a")
	bob.Leave(false)
	r.Tick()
	r.want("a", "1/2") // one stream less, and nobody has left yet
	r.want("b")        // nobody watches it
}

func TestSubjectLeavesAfterTheGrace(t *testing.T) {
	r := settledRoom(t, 100)
	r.Watch([]string{"a"})
	bob := r.join("bob", "a")
	r.Tick()
	bob.Leave(false)
	r.Tick()
	r.take("a")
	r.ticks(14)
	r.want("a")
	r.Tick() // the 16th since the stream has ended, which was up to a second before the first
	r.want("a", "0/0 -bob")
	r.ticks(40)
	r.want("a")
	if n := r.Totals(); n.Members != 0 {
		t.Errorf("%+v", n)
	}
}

func TestReconnectionWithinTheGraceShowsNothing(t *testing.T) {
	r := settledRoom(t, 100)
	r.Watch([]string{"a"})
	stay := r.join("bob", "a")
	r.Tick()
	r.take("a")
	for range 5 {
		stay.Leave(false)
		r.ticks(10)
		stay = r.join("bob", "a")
		r.ticks(10)
	}
	for _, message := range r.take("a") {
		if strings.Contains(message, "bob") {
			t.Errorf("the watchers were told %q", message)
		}
	}
}

func TestTwoTabsAreOneMember(t *testing.T) {
	r := settledRoom(t, 100)
	r.Watch([]string{"a"})
	one, two := r.join("bob", "a"), r.join("bob", "a")
	r.Tick()
	r.want("a", "2/1 +bob")
	one.Leave(false)
	r.ticks(30)
	r.want("a", "1/1")
	two.Leave(false)
	r.ticks(30)
	r.want("a", "0/1", "0/0 -bob")
}

func TestRevokedSubjectLeavesAtOnce(t *testing.T) {
	r := settledRoom(t, 100)
	r.Watch([]string{"a"})
	one, two := r.join("bob", "a"), r.join("bob", "a")
	one.Leave(true)
	r.Tick()
	r.want("a", "1/1 +bob")
	two.Leave(true)
	r.Tick()
	r.want("a", "0/0 -bob")
	r.ticks(30)
	r.want("a")
}

func TestStreamWithoutSubjectIsCountedOnly(t *testing.T) {
	r := settledRoom(t, 100)
	r.Watch([]string{"a"})
	stay := r.join("", "a")
	r.Tick()
	r.want("a", "1/0")
	stay.Leave(false)
	r.Tick()
	r.want("a", "0/0")
}

// TestNobodySeemsToLeaveAfterARestart: until the grace is over, messages say that members may be missing. Then comes the whole state.
func TestNobodySeemsToLeaveAfterARestart(t *testing.T) {
	r := newRoom(t, 100)
	r.Watch([]string{"a"})
	r.join("bob", "a")
	r.Tick()
	r.want("a", "1/1 +bob settling")
	r.ticks(13)
	r.want("a")
	if page := r.Roster("a", "", 10); !page.Settling {
		t.Error("the roster claims to be complete")
	}
	r.Tick()
	r.want("a", "1/1 [bob]")
	if page := r.Roster("a", "", 10); page.Settling {
		t.Error("the roster claims not to be complete")
	}
}

// TestSettlingEndsForAllWatchersAtOnce: the pause of a topic with many watchers does not make it longer.
func TestSettlingEndsForAllWatchersAtOnce(t *testing.T) {
	for watchers, members := range map[int]int{50: 50, 1000: 50, 10_000: 50, 3000: 200} {
		r := newRoom(t, 1000)
		for range watchers {
			r.Watch([]string{"a"})
		}
		settled := 0
		for second := 1; second <= 60 && settled == 0; second++ {
			for i := range members {
				if _, err := r.Join([]string{"a"}, fmt.Sprint(i), fmt.Sprint(second), ""); err != nil { // the data changes
					t.Fatal(err)
				}
			}
			r.Tick()
			for _, m := range r.told["a"] {
				if !m.Settling {
					settled = second
					if whole := m.Members != nil; whole != (members <= Listed) || m.Subjects != members {
						t.Errorf("%d watchers, %d members: the message is %s", watchers, members, text(m))
					}
				}
			}
			delete(r.told, "a")
		}
		if settled != int(Grace/tick) {
			t.Errorf("%d watchers, %d members: the first message without settling comes after %d s", watchers, members, settled)
		}
	}
}

// TestManyChangedTopicsAreToldInSteps: the table does not go through all of them while it holds the lock.
func TestManyChangedTopicsAreToldInSteps(t *testing.T) {
	r := settledRoom(t, 10_000)
	var names []string
	for i := range 3*step + 7 {
		names = append(names, fmt.Sprint("t", i))
	}
	watched := r.Watch(names)
	r.join("bob", names...)
	told := 0
	r.opts.Tell = func(*Topic, uint64, string) {
		if told++; told == 1 {
			waiting := 0
			for _, topic := range watched {
				if topic.dirty {
					waiting++
				}
			}
			if waiting != len(names)-step {
				t.Errorf("%d of %d topics wait at the first message, want all except %d", waiting, len(names), step)
			}
		}
	}
	r.Tick()
	r.Tick()
	if told != len(names) || len(r.changed) > 0 {
		t.Errorf("%d messages about %d topics", told, len(names))
	}
}

// TestManyMembersAreCountedOnly: from 101 members on messages have no names. When there are few again, they have all names once.
func TestManyMembersAreCountedOnly(t *testing.T) {
	r := settledRoom(t, 1000)
	r.Watch([]string{"a"})
	var stays []*Stay
	for i := range Listed {
		stays = append(stays, r.join(fmt.Sprintf("m%03d", i), "a"))
	}
	r.Tick()
	if got := r.take("a"); len(got) != 1 || strings.Count(got[0], "+") != Listed {
		t.Errorf("%d messages, want one that names all", len(got))
	}
	last := r.join("z", "a")
	r.Tick()
	r.want("a", "101/101")
	last.Leave(true)
	r.Tick()
	if got := r.take("a"); len(got) != 1 || !strings.HasPrefix(got[0], "100/100 [m000 ") {
		t.Errorf("%q, want one message with all names", got)
	}
	stays[7].Leave(true)
	r.Tick()
	r.want("a", "99/99 -m007")
	if got := r.state("a"); !strings.HasPrefix(got, "99/99 [m000 ") {
		t.Errorf("the state is %q", got)
	}
}

func TestNewDataOfASubjectIsTold(t *testing.T) {
	r := settledRoom(t, 100)
	r.Watch([]string{"a"})
	r.join("bob", "a")
	r.Tick()
	r.take("a")
	for _, data := range []string{"1", "1", "2"} {
		if _, err := r.Join([]string{"a"}, "bob", data, ""); err != nil {
			t.Fatal(err)
		}
		r.Tick()
	}
	r.want("a", "2/1 +bob1", "3/1", "4/1 +bob2")
}

// TestWatcherThatComesBetweenTwoMessagesIsNotWrong: the next message names what has changed since the one before, also if the change was undone.
func TestWatcherThatComesBetweenTwoMessagesIsNotWrong(t *testing.T) {
	r := settledRoom(t, 1000)
	r.Watch([]string{"a"})
	put := func(subject, data string) *Stay {
		stay, err := r.Join([]string{"a"}, subject, data, "")
		if err != nil {
			t.Fatal(err)
		}
		return stay
	}
	put("alice", "1")
	carol := put("carol", "")
	r.Tick()
	r.take("a")

	put("alice", "2")
	carol.Leave(true)
	eve := put("eve", "")
	if got := r.state("a"); got != "3/2 [alice2 eve]" {
		t.Errorf("the watcher begins with %q", got)
	}
	put("alice", "1")
	put("carol", "")
	eve.Leave(true)
	r.Tick()
	r.want("a", "4/2 +alice1 +carol -eve")
}

// TestFirstWatcherOfManyMembersGetsAllNamesWhenTheyAreFew, also if that is so at the next message: changes apply to names that it does not have.
func TestFirstWatcherOfManyMembersGetsAllNamesWhenTheyAreFew(t *testing.T) {
	r := settledRoom(t, 1000)
	var last *Stay
	for i := range Listed + 1 {
		last = r.join(fmt.Sprintf("m%03d", i), "a")
	}
	r.Watch([]string{"a"})
	if got := r.state("a"); got != "101/101" {
		t.Errorf("the watcher begins with %q", got)
	}
	last.Leave(true)
	r.Tick()
	if got := r.take("a"); len(got) != 1 || !strings.HasPrefix(got[0], "100/100 [m000 ") {
		t.Errorf("the watchers were told %q, want all names", got)
	}
}

func TestMembersAreLimited(t *testing.T) {
	r := settledRoom(t, 3)
	r.join("bob", "a", "b")
	r.join("bob", "a", "b") // the same members
	if _, err := r.Join([]string{"c", "d"}, "eve", "", ""); !errors.Is(err, ErrFull) {
		t.Errorf("%v, want ErrFull", err)
	}
	if page := r.Roster("c", "", 10); page.Subjects != 0 || page.Streams != 0 {
		t.Errorf("eve has joined a part: %+v", page)
	}
	eve := r.join("eve", "c")
	r.join("", "c", "d")
	eve.Leave(false)
	if _, err := r.Join([]string{"a"}, "joe", "", ""); !errors.Is(err, ErrFull) {
		t.Errorf("%v, want ErrFull: members in their grace count", err)
	}
	r.join("eve", "c").Leave(true)
	r.join("joe", "a")
}

// TestOneHolderDoesNotFillTheTable: it gets a hundredth of the limit, in which members in their grace count. Others join meanwhile.
func TestOneHolderDoesNotFillTheTable(t *testing.T) {
	r := settledRoom(t, 20_000)
	join := func(holder, subject string, from, to int) (*Stay, error) {
		var names []string
		for i := from; i < to; i++ {
			names = append(names, fmt.Sprint("t", i))
		}
		return r.Join(names, subject, "", holder)
	}
	stay, err := join("bob", "bob", 0, 200)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := join("bob", "bob", 100, 200); err != nil {
		t.Errorf("the same members: %v", err)
	}
	if _, err := join("bob", "bob", 200, 201); !errors.Is(err, ErrShare) {
		t.Errorf("%v, want ErrShare", err)
	}
	if _, err := join("bob", "rob", 0, 1); !errors.Is(err, ErrShare) { // an address with another subject
		t.Errorf("%v, want ErrShare", err)
	}
	if _, err := join("eve", "eve", 0, 200); err != nil {
		t.Error(err)
	}
	if _, err := join("bob", "", 300, 400); err != nil {
		t.Errorf("a stream without a subject is no member: %v", err)
	}
	stay.Leave(false)
	if _, err := join("bob", "bob", 200, 201); !errors.Is(err, ErrShare) {
		t.Errorf("%v, want ErrShare: members in their grace count", err)
	}
	r.ticks(16)
	if _, err := join("bob", "bob", 200, 300); err != nil {
		t.Errorf("after the grace of 100 members: %v", err)
	}
	if _, err := join("bob", "bob", 300, 301); !errors.Is(err, ErrShare) {
		t.Errorf("%v, want ErrShare", err)
	}
}

func TestForgottenTopicsLeaveNothingBehind(t *testing.T) {
	r := settledRoom(t, 1000)
	for i := range 300 {
		topic := fmt.Sprint("t", i)
		watched := r.Watch([]string{topic})
		stay, err := r.Join([]string{topic}, "bob", "", fmt.Sprint("holder", i))
		if err != nil {
			t.Fatal(err)
		}
		stay.Leave(false)
		r.Unwatch(watched)
	}
	r.ticks(20)
	if n := r.Totals(); n.Topics != 0 || n.Members != 0 || len(r.topics) != 0 || r.names.len() != 0 || r.members != 0 || len(r.quotas) != 0 || len(r.changed) != 0 {
		t.Errorf("%+v, %d changed", n, len(r.changed))
	}
}

func TestRosterHasPages(t *testing.T) {
	r := settledRoom(t, 10_000)
	var want []string
	for i := range 2500 {
		want = append(want, fmt.Sprintf("m%04d", i*7919%2500))
		r.join(want[i], "a")
	}
	slices.Sort(want)
	var got []string
	for after, more := "", true; more; {
		page := r.Roster("a", after, 100)
		if page.Subjects != 2500 {
			t.Fatalf("%d subjects", page.Subjects)
		}
		for _, m := range page.Members {
			got = append(got, m.Subject)
		}
		after, more = got[len(got)-1], page.More
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d members, want %d in order", len(got), len(want))
	}
}

func TestTopicsHavePages(t *testing.T) {
	r := settledRoom(t, 10_000)
	r.Watch([]string{"t0000watched"}) // nobody is there
	for i := range 1800 {
		r.join("bob", fmt.Sprintf("t%04d", i))
	}
	n := 0
	for after, more := "", true; more; n++ {
		page, err := r.Topics(t.Context(), Search{
			After: after, Limit: 7, Prefixes: []string{""}, Visible: func(string) bool { return true },
			Match: func(topic string) bool { return strings.HasSuffix(topic, "9") || strings.HasSuffix(topic, "d") },
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range page.Topics {
			if one.Topic <= after || one.Subjects != 1 || !strings.HasSuffix(one.Topic, "9") {
				t.Fatalf("%+v after %s", one, after)
			}
			after = one.Topic
		}
		more = page.Next != ""
	}
	if n != 26 { // 180 topics, 7 a page
		t.Errorf("%d pages", n)
	}
}
