package eventlog

import (
	"iter"
	"strings"
)

// The known topics form a treap: a binary tree by name that is also a heap by random weights, which keeps it balanced. It finds the
// names with a prefix, as patterns need. Inserting and removing a topic costs O(log n).

// insert returns the tree with t, whose name must not be in it.
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

// split returns the trees of the names before and after a name that is not in the tree.
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

// join merges two trees. All names in the first come before those in the second.
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

// listed yields the topics in the order of a list: those with the prefix of its matcher that follow q.After.
func (root *topic) listed(q TopicQuery) iter.Seq[*topic] {
	prefix := q.Matcher.Prefix()
	return func(yield func(*topic) bool) {
		if q.Reverse {
			root.walkBack(prefix, q.After, yield)
			return
		}
		root.walk(prefix, func(t *topic) bool { return t.name <= q.After || yield(t) })
	}
}

// walkBack calls yield with the topics with a prefix that come before a name, the last one first. The name "" is after all others.
func (root *topic) walkBack(prefix, before string, yield func(*topic) bool) bool {
	if root == nil {
		return true
	}
	in := strings.HasPrefix(root.name, prefix)
	early := before == "" || root.name < before
	return (!early || !in && root.name > prefix || root.right.walkBack(prefix, before, yield)) &&
		(!in || !early || yield(root)) &&
		(root.name < prefix || root.left.walkBack(prefix, before, yield))
}

// with yields the topics with a prefix, in the order of their names.
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
