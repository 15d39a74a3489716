package ssetest

import (
	"io"
	"math/rand/v2"
)

// Chop returns a reader of what r gives, in pieces of the given sizes in bytes, and all that is left after them as it
// comes. So Chop(r, n) splits a stream in two. No read crosses from one piece to the next; where r itself gives less,
// or the reader asks for less, a piece takes several. A size of 0 is a read of nothing and no error, which
// [io.Reader] allows.
func Chop(r io.Reader, sizes ...int) io.Reader {
	next := 0
	return &chopped{r: r, size: func() (int, bool) {
		if next == len(sizes) {
			return 0, false
		}
		next++
		return sizes[next-1], true
	}}
}

// ChopEvery returns a reader of what r gives in pieces of size bytes, as [Chop] does; 1 means byte by byte. A size
// below 1 panics.
func ChopEvery(r io.Reader, size int) io.Reader {
	if size < 1 {
		panic("ssetest: pieces of less than one byte never come to an end")
	}
	return &chopped{r: r, size: func() (int, bool) { return size, true }}
}

// ChopRandomly returns a reader of what r gives in pieces of 0 to longest bytes, as [Chop] does. The same seed gives
// the same pieces; a test says it when it fails. A longest below 1 panics.
func ChopRandomly(r io.Reader, seed uint64, longest int) io.Reader {
	if longest < 1 {
		panic("ssetest: pieces of less than one byte never come to an end")
	}
	random := rand.New(rand.NewPCG(seed, 0))
	return &chopped{r: r, size: func() (int, bool) { return random.IntN(longest + 1), true }}
}

// chopped is not safe for concurrent use, as readers are not.
type chopped struct {
	r     io.Reader
	size  func() (n int, more bool) // of the next piece; no more: the rest is one
	left  int                       // of the current piece
	whole bool                      // there are no further pieces
}

func (c *chopped) Read(b []byte) (int, error) {
	if c.left == 0 && !c.whole {
		n, more := c.size()
		c.left, c.whole = n, !more
		if more && n <= 0 {
			c.left = 0
			return 0, nil
		}
	}
	if !c.whole {
		b = b[:min(len(b), c.left)]
	}
	n, err := c.r.Read(b)
	c.left = max(c.left-n, 0)
	return n, err
}

// ThenFail returns a reader of what r gives and then, in place of io.EOF, err: a stream that is broken off.
func ThenFail(r io.Reader, err error) io.Reader { return &failing{r, err} }

type failing struct {
	r   io.Reader
	err error
}

func (f *failing) Read(b []byte) (int, error) {
	n, err := f.r.Read(b)
	if err == io.EOF {
		err = f.err
	}
	return n, err
}
