package sse

// Internals that the tests in package sse_test use.

var (
	AppendValidUTF8 = appendValidUTF8
	IsEventStream   = isEventStream
)

// BufferSize returns the size of the decoder's buffer.
func (d *Decoder) BufferSize() int { return len(d.buf) }

// DelayAfter sets f.Delay to the delay that b computes for f.Attempt failures if the server asked for f.Retry.
func DelayAfter(b Backoff, f *Failure) *Failure {
	f.Delay = b.withDefaults().delay(f.Retry, f.Attempt)
	return f
}
