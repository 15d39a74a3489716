package presence

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/tidings-sse/tidings/internal/wire"
)

// TestJoinsOfALargeTopicCostFewDeliveries: 100 joins a second at a topic with 10,000 members and 10,000 watchers cost less than 1,000
// deliveries a second. Each newcomer watches, too, and so gets the state once. If each join were told to each watcher, it would be a million.
func TestJoinsOfALargeTopicCostFewDeliveries(t *testing.T) {
	const watchers, seconds = 10_000, 60
	deliveries := 0
	table := New(Options{MaxMembers: 100_000, Tell: func(topic *Topic, _ uint64, data string) {
		if m, err := wire.ParsePresence(data); err != nil || m.Members != nil || m.In != nil {
			t.Errorf("the message names members: %.100s, %v", data, err)
		}
		deliveries += topic.watchers // nothing else uses the table meanwhile
	}})
	newcomer := func(i int) {
		if _, err := table.Join([]string{"a"}, fmt.Sprint(i), "", ""); err != nil {
			t.Fatal(err)
		}
		watched := table.Watch([]string{"a"})
		watched[0].State()
		deliveries++
	}
	for i := range watchers {
		newcomer(i)
	}
	for range longestTick {
		table.Tick()
	}
	deliveries = 0
	for second := range seconds {
		for i := range 100 {
			newcomer(watchers + 100*second + i)
		}
		table.Tick()
	}
	if deliveries >= 1000*seconds || deliveries < watchers {
		t.Errorf("%d deliveries in %d seconds, want at least one to each watcher, and less than 1,000 a second", deliveries, seconds)
	}
	t.Logf("%d deliveries a second", deliveries/seconds)
}

// TestPagesOfAMillionMembersCostWhatTheyShow: neither a page nor a join allocates more at a topic with a million members than with a thousand.
// No call visits all members: the lock is not held for long.
func TestPagesOfAMillionMembersCostWhatTheyShow(t *testing.T) {
	few, many := withMembers(t, 1000), withMembers(t, 1_000_000)
	for name, f := range map[string]func(*Table) func(){
		"page":  func(table *Table) func() { return func() { table.Roster("a", "0000500", 100) } },
		"count": func(table *Table) func() { return func() { table.Roster("a", "", 0) } },
		"join": func(table *Table) func() {
			return func() {
				stay, err := table.Join([]string{"a"}, "newcomer", "", "")
				if err != nil {
					t.Fatal(err)
				}
				stay.Leave(true)
			}
		},
		"state": func(table *Table) func() {
			watched := table.Watch([]string{"a"})
			return func() {
				watched[0].touch() // so that it is made again
				watched[0].State()
			}
		},
	} {
		before := testing.AllocsPerRun(20, f(few))
		if name == "state" {
			before = 10 // that of few members names them
		}
		if after := testing.AllocsPerRun(20, f(many)); after > before+2 {
			t.Errorf("%s: %v allocations with a million members, %v with few", name, after, before)
		}
	}
	if _, steps := stepsOf(many, "0777777"); steps > 40 {
		t.Errorf("finding a member among a million looks at %d others", steps)
	}
}

// stepsOf returns how many keys a search among the members compares.
func stepsOf(table *Table, subject string) (found bool, steps int) {
	var o ordered[*counting]
	for m := range table.topics["a"].members.after("") {
		o.add(&counting{m.subject, &steps})
	}
	steps = 0
	return o.get(subject) != nil, steps
}

// counting is an element that counts how often its key is looked at.
type counting struct {
	name  string
	steps *int
}

func (c *counting) key() string { *c.steps++; return c.name }

func withMembers(t *testing.T, n int) *Table {
	table := New(Options{MaxMembers: 2_000_000, Tell: func(*Topic, uint64, string) {}})
	for i := range n {
		if _, err := table.Join([]string{"a"}, fmt.Sprintf("%07d", i), "", ""); err != nil {
			t.Fatal(err)
		}
	}
	return table
}

// TestMemberTakesLittleMemory: a member with its stream takes less than 250 bytes, besides its name. Its share is counted, too.
func TestMemberTakesLittleMemory(t *testing.T) {
	const n = 50_000
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("%07d", i*7919%n)
	}
	topic := []string{"a"}
	table := New(Options{MaxMembers: n, Tell: func(*Topic, uint64, string) {}})
	stays := make([]*Stay, n)
	before := heap()
	for i, name := range names {
		stays[i], _ = table.Join(topic, name, "", name)
	}
	size := (heap() - before) / n
	runtime.KeepAlive(stays)
	if got := table.Totals().Members; got != n || size > 250 {
		t.Errorf("%d members of %d bytes each", got, size)
	}
	t.Logf("%d bytes", size)
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
