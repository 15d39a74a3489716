package sse

// Cracks in the wall for the tests outside.

var (
	AppendValidUTF8 = appendValidUTF8
	IsEventStream   = isEventStream
	ParseRetryAfter = parseRetryAfter
)

// BufferSize returns the size of the decoder's buffer.
func (d *Decoder) BufferSize() int { return len(d.buf) }

// DelayAfter returns what b waits after a number of failures when base was asked for.
var DelayAfter = func(b Backoff, f *Failure) *Failure {
	f.Delay = b.withDefaults().delay(f.Retry, f.Attempt)
	return f
}
