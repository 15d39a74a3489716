package presence

import (
	"iter"
	"slices"
	"sort"
)

// named is an element of an [ordered].
type named interface{ key() string }

// ordered is a set of elements in the order of their keys. Finding, adding and removing an element looks at about log n of them, and moves at
// most one block. Its memory is about 8 to 30 bytes for each element. The zero value is empty.
//
//	blocks: [a c f] [h k] [m p q z]    none is empty, and all keys of a block are below those of the next
type ordered[E named] struct {
	blocks [][]E
	n      int
}

const (
	largestBlock = 256
	smallBlock   = largestBlock / 4 // a smaller block is joined with a neighbour, if both fit into half a block
)

// len returns the number of elements.
func (o *ordered[E]) len() int { return o.n }

// place returns where an element with a key is, or would be inserted.
func (o *ordered[E]) place(key string) (block, at int, found bool) {
	block = sort.Search(len(o.blocks), func(i int) bool { return o.blocks[i][0].key() > key })
	if block > 0 {
		block--
	}
	if len(o.blocks) == 0 {
		return 0, 0, false
	}
	b := o.blocks[block]
	at = sort.Search(len(b), func(i int) bool { return b[i].key() >= key })
	return block, at, at < len(b) && b[at].key() == key
}

// get returns the element with a key, the zero E if there is none.
func (o *ordered[E]) get(key string) (e E) {
	if block, at, ok := o.place(key); ok {
		return o.blocks[block][at]
	}
	return e
}

// add adds an element whose key is new.
func (o *ordered[E]) add(e E) {
	o.n++
	if len(o.blocks) == 0 {
		o.blocks = [][]E{{e}}
		return
	}
	block, at, _ := o.place(e.key())
	b := slices.Insert(o.blocks[block], at, e)
	o.blocks[block] = b
	if len(b) > largestBlock {
		half := slices.Clone(b[len(b)/2:])
		clear(b[len(b)/2:])
		o.blocks[block] = b[:len(b)/2]
		o.blocks = slices.Insert(o.blocks, block+1, half)
	}
}

// remove removes the element with a key, if there is one.
func (o *ordered[E]) remove(key string) {
	block, at, ok := o.place(key)
	if !ok {
		return
	}
	o.n--
	o.blocks[block] = slices.Delete(o.blocks[block], at, at+1)
	switch b := o.blocks[block]; {
	case len(b) == 0:
		o.blocks = slices.Delete(o.blocks, block, block+1)
	case len(b) < smallBlock:
		o.join(block - 1)
		o.join(block)
	}
	if o.n == 0 {
		o.blocks = nil
	}
}

// join joins a block with the next one, if there are both and they are small together.
func (o *ordered[E]) join(block int) {
	if block < 0 || block+1 >= len(o.blocks) || len(o.blocks[block])+len(o.blocks[block+1]) > largestBlock/2 {
		return
	}
	o.blocks[block] = slices.Concat(o.blocks[block], o.blocks[block+1])
	o.blocks = slices.Delete(o.blocks, block+1, block+2)
}

// after yields the elements whose keys are above a key. The set must not change meanwhile.
func (o *ordered[E]) after(key string) iter.Seq[E] { return o.from("", key) }

// from yields the elements whose keys are not below first, and above after. The set must not change meanwhile.
func (o *ordered[E]) from(first, after string) iter.Seq[E] {
	return func(yield func(E) bool) {
		block, at, found := o.place(max(first, after))
		if found && after >= first {
			at++
		}
		for ; block < len(o.blocks); block, at = block+1, 0 {
			for _, e := range o.blocks[block][at:] {
				if !yield(e) {
					return
				}
			}
		}
	}
}
