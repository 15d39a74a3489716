// Package patterns implements an index of topic patterns, for the log and for the hub: which of many patterns match a topic?
//
// It knows the syntax of patterns (* matches one segment, ** at the end matches any number) and expects callers to check it.
//
// # Cost of a match
//
// The tree has nodes only where patterns diverge, at most two per pattern, however many segments it has. A match visits each
// segment of a label at most once:
//
//	steps ≤ 1 + segments of all patterns whose beginning matches the topic
//
// Other patterns cost nothing. The cost is not exponential in the number of wildcards, because each node has one path and a topic
// reaches it at most once.
package patterns

import "strings"

// Tree is a set of patterns with a value for each. The zero Tree is empty. It is not safe for concurrent use.
type Tree[V any] struct{ root node[V] }

// node is reached by the segments on its path. The first segments of its children differ.
type node[V any] struct {
	label string // segments between the parent and here, each followed by a slash; empty for the root only
	here  *V     // value of the pattern that ends here; nil: none does
	rest  *V     // value of the pattern that ends here with **; nil: none does
	next  map[string]*node[V]
}

// At returns the value of a pattern. It adds the pattern with a zero value if it is not in the tree.
func (t *Tree[V]) At(pattern string) *V {
	path, open := pathOf(pattern)
	v := t.root.reach(path).value(open)
	if *v == nil {
		*v = new(V)
	}
	return *v
}

// Delete removes a pattern and its value.
func (t *Tree[V]) Delete(pattern string) {
	path, open := pathOf(pattern)
	t.root.remove(path, open)
}

// Empty reports whether the tree has no patterns.
func (t *Tree[V]) Empty() bool {
	return t.root.here == nil && t.root.rest == nil && len(t.root.next) == 0
}

// Match calls f with the value of each pattern that matches a topic, until f returns false. It returns the number of segments it
// compared.
//
// A wildcard as the first segment does not match topics that begin with $.
func (t *Tree[V]) Match(topic string, f func(*V) bool) (steps int) {
	m := match[V]{f: f, reserved: strings.HasPrefix(topic, "$")}
	m.visit(&t.root, topic, true)
	return m.steps
}

// MostSteps returns an upper bound of what Match returns, for any topic. It visits each node once.
//
// A topic takes at most two ways at a node: its own segment and the wildcard.
func (t *Tree[V]) MostSteps() int { return t.root.mostSteps() }

func (n *node[V]) mostSteps() int {
	literal, wild := 0, 0
	for key, child := range n.next {
		if steps := child.mostSteps(); key == "*/" {
			wild = steps
		} else {
			literal = max(literal, steps)
		}
	}
	return 1 + strings.Count(n.label, "/") + literal + wild
}

// pathOf returns the segments of a pattern, each followed by a slash, and whether ** follows them.
func pathOf(pattern string) (path string, open bool) {
	switch path, open = strings.CutSuffix(pattern, "**"); {
	case !open:
		return pattern + "/", false
	case path == "" || strings.HasSuffix(path, "/"):
		return path, true
	}
	return pattern + "/", false // a segment that only ends in **
}

func (n *node[V]) value(open bool) **V {
	if open {
		return &n.rest
	}
	return &n.here
}

// first returns the first segment of a path, including its slash.
func first(path string) string { return path[:strings.IndexByte(path, '/')+1] }

// common returns the segments that two paths have in common at the beginning.
func common(a, b string) string {
	n := 0
	for n < len(a) && n < len(b) {
		segment := first(a[n:])
		if !strings.HasPrefix(b[n:], segment) {
			break
		}
		n += len(segment)
	}
	return a[:n]
}

// reach returns the node of a path, and adds it if needed.
func (n *node[V]) reach(path string) *node[V] {
	for path != "" {
		key := first(path)
		child := n.next[key]
		if child == nil {
			child = &node[V]{label: path}
			n.link(child)
			return child
		}
		shared := common(child.label, path)
		if shared != child.label { // the paths diverge here
			fork := &node[V]{label: shared}
			child.label = child.label[len(shared):]
			fork.link(child)
			n.link(fork)
			child = fork
		}
		n, path = child, path[len(shared):]
	}
	return n
}

func (n *node[V]) link(child *node[V]) {
	if n.next == nil {
		n.next = make(map[string]*node[V], 1)
	}
	n.next[first(child.label)] = child
}

// remove removes a pattern below a node, and nodes that are no longer needed.
func (n *node[V]) remove(path string, open bool) {
	if path == "" {
		*n.value(open) = nil
		return
	}
	child := n.next[first(path)]
	if child == nil || !strings.HasPrefix(path, child.label) {
		return
	}
	child.remove(path[len(child.label):], open)
	if child.here != nil || child.rest != nil || len(child.next) > 1 {
		return
	}
	delete(n.next, first(child.label))
	for _, only := range child.next { // nothing diverges here any more
		only.label = child.label + only.label
		n.link(only)
	}
}

// match is one walk through the tree.
type match[V any] struct {
	f        func(*V) bool
	reserved bool // the topic begins with $: wildcards at the root do not match
	steps    int
	enough   bool
}

// visit handles a node whose path matches the beginning of the topic. topic is the rest; more is false if no segment is left.
func (m *match[V]) visit(n *node[V], topic string, more bool) {
	m.steps++
	wild := n.label != "" || !m.reserved // a wildcard may come next
	if n.rest != nil && wild {
		m.found(n.rest)
	}
	if !more {
		if n.here != nil {
			m.found(n.here)
		}
		return
	}
	if len(n.next) == 0 || m.enough {
		return
	}
	key := topic
	if i := strings.IndexByte(topic, '/'); i >= 0 {
		key = topic[:i+1]
		m.enter(n.next[key], topic)
	} else {
		m.enter(n.lastSegment(key), topic)
	}
	if key != "*" && key != "*/" && wild {
		m.enter(n.next["*/"], topic)
	}
}

// lastSegment returns the child for a segment without a slash.
func (n *node[V]) lastSegment(segment string) *node[V] {
	var buffer [64]byte
	return n.next[string(append(append(buffer[:0], segment...), '/'))] // does not allocate
}

// enter visits a child if its label matches.
func (m *match[V]) enter(n *node[V], topic string) {
	if n == nil || m.enough {
		return
	}
	more := true
	for label := n.label; label != ""; {
		if !more {
			return
		}
		m.steps++
		var want, got string
		want, label, _ = strings.Cut(label, "/")
		got, topic, more = strings.Cut(topic, "/")
		if want != "*" && want != got {
			return
		}
	}
	m.visit(n, topic, more)
}

func (m *match[V]) found(v *V) {
	if !m.enough {
		m.enough = !m.f(v)
	}
}
