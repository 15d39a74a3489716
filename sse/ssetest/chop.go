package ssetest

import (
	"io"
	"math/rand/v2"
)

// Chop returns a reader that splits the bytes of r into chunks of the given sizes in bytes. The rest follows unsplit,
// so Chop(r, n) splits a stream in two. No Read returns bytes of two chunks. A chunk takes several Reads if r returns
// less, or if the caller's buffer is smaller. A size of 0 makes one Read return no bytes and no error, which
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

// ChopEvery returns a reader that splits the bytes of r into chunks of size bytes, as [Chop] does. It panics if size is
// less than 1.
func ChopEvery(r io.Reader, size int) io.Reader {
	if size < 1 {
		panic("ssetest: the size of a chunk must be at least 1 byte")
	}
	return &chopped{r: r, size: func() (int, bool) { return size, true }}
}

// ChopRandomly returns a reader that splits the bytes of r into chunks of 0 to longest bytes, as [Chop] does. The same
// seed gives the same chunks: report it when a test fails. It panics if longest is less than 1.
func ChopRandomly(r io.Reader, seed uint64, longest int) io.Reader {
	if longest < 1 {
		panic("ssetest: the size of a chunk must be at least 1 byte")
	}
	random := rand.New(rand.NewPCG(seed, 0))
	return &chopped{r: r, size: func() (int, bool) { return random.IntN(longest + 1), true }}
}

type chopped struct {
	r     io.Reader
	size  func() (n int, more bool) // size of the next chunk; more is false if the rest is unsplit
	left  int                       // unread bytes of the current chunk
	whole bool                      // the rest is unsplit
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

// ThenFail returns a reader that reads r and returns err in place of io.EOF, like a connection that breaks.
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
