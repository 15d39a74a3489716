package hub

import (
	"runtime"
	"slices"

	"github.com/tidings-sse/tidings/eventlog"
)

// Subscribers returns how many streams are open.
func (h *Hub) Subscribers() int {
	h.interest.mu.Lock()
	defer h.interest.mu.Unlock()
	return len(h.interest.all)
}

// Wanted returns how many topics and patterns somebody wants.
func (h *Hub) Wanted() int {
	h.interest.mu.Lock()
	defer h.interest.mu.Unlock()
	n := len(h.interest.topics)
	if !h.interest.tree.bare() {
		n++
	}
	return n
}

// Want enters somebody who wants a topic and a pattern, and has no connection.
func (h *Hub) Want(topic, pattern string) {
	h.interest.add(&subscriber{
		wanted: wanted{[]string{topic}, []eventlog.Pattern{eventlog.MustPattern(pattern)}}, woken: make(chan struct{}, 1),
	})
}

// AwaitSettled waits until everybody has been woken who wants an event up to a position.
func (h *Hub) AwaitSettled(at eventlog.Position) {
	for h.interest.settled.Load().Seq < at.Seq {
		runtime.Gosched()
	}
}

// Routes returns the methods of each path.
func Routes() map[string][]string {
	all := map[string][]string{}
	for _, r := range routes {
		all[r.path] = slices.Clone(r.methods)
	}
	return all
}

// ProblemTypes returns the title of each type of problem.
func ProblemTypes() map[string]string {
	all := map[string]string{}
	for name, title := range titles {
		all[problemBase+name] = title
	}
	return all
}
