package eventlog

import (
	"iter"
	"strings"
)

// The topics that a log knows are a treap: a binary tree by name that is also a heap by weight. The weights are random,
// which keeps it as flat as a tree into which the names came in random order. A tree finds the names with a prefix, as
// patterns need it, and a topic that comes or goes costs the same however many there are.

// insert returns the tree with t, whose name is not in it yet.
func (root *topic) insert(t *topic) *topic {
	switch {
	case root == nil:
		return t
	case t.weight > root.weight:
		t.left, t.right = root.split(t.name)
		return t
	case t.name < root.name:
		root.left = root.left.insert(t)
	default:
		root.right = root.right.insert(t)
	}
	return root
}

// split returns the names before and after one that is not in the tree.
func (root *topic) split(name string) (before, after *topic) {
	switch {
	case root == nil:
		return nil, nil
	case root.name < name:
		root.right, after = root.right.split(name)
		return root, after
	default:
		before, root.left = root.left.split(name)
		return before, root
	}
}

// remove returns the tree without a name.
func (root *topic) remove(name string) *topic {
	switch {
	case root == nil:
		return nil
	case name == root.name:
		joined := join(root.left, root.right)
		root.left, root.right = nil, nil
		return joined
	case name < root.name:
		root.left = root.left.remove(name)
	default:
		root.right = root.right.remove(name)
	}
	return root
}

// join returns the tree of two, of which all names in the first come before those in the second.
func join(before, after *topic) *topic {
	switch {
	case before == nil:
		return after
	case after == nil:
		return before
	case before.weight > after.weight:
		before.right = join(before.right, after)
		return before
	default:
		after.left = join(before, after.left)
		return after
	}
}

// with yields the topics whose names begin with prefix, in order.
func (root *topic) with(prefix string) iter.Seq[*topic] {
	return func(yield func(*topic) bool) { root.walk(prefix, yield) }
}

func (root *topic) walk(prefix string, yield func(*topic) bool) bool {
	if root == nil {
		return true
	}
	in := strings.HasPrefix(root.name, prefix)
	return (root.name < prefix || root.left.walk(prefix, yield)) &&
		(!in || yield(root)) &&
		(!in && root.name > prefix || root.right.walk(prefix, yield))
}
