package sse

// Cracks in the wall for the tests outside.

var (
	AppendValidUTF8 = appendValidUTF8
	IsEventStream   = isEventStream
	ParseRetryAfter = parseRetryAfter
)

// BufferSize returns the size of the decoder's buffer.
func (d *Decoder) BufferSize() int { return len(d.buf) }

// DelayAfter notes in f what b waits after as many failures as f has seen, when its Retry was asked for.
func DelayAfter(b Backoff, f *Failure) *Failure {
	f.Delay = b.withDefaults().delay(f.Retry, f.Attempt)
	return f
}
