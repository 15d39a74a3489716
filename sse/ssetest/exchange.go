package ssetest

import (
	"errors"
	"net/http"
	"net/url"
	"time"
)

// Exchange is a request that a script has answered or is answering. Its fields do not change. Its methods are safe for
// concurrent use.
type Exchange struct {
	Method string
	URL    *url.URL // with scheme and host as the client meant them
	Header http.Header
	Body   []byte
	Remote string    // the client's address and port
	At     time.Time // when the request was there with its body

	done  chan struct{} // closed when the answer is over, the following being set before
	ended time.Time
	cause error
}

// Done is closed when the answer is over.
func (x *Exchange) Done() <-chan struct{} { return x.done }

// Ended returns when the answer was over, and whether that was because the client had left before its last step. Before
// Done is closed it returns the zero time.
func (x *Exchange) Ended() (at time.Time, left bool) {
	select {
	case <-x.done:
		return x.ended, errors.Is(x.cause, errLeft)
	default:
		return time.Time{}, false
	}
}

func (x *Exchange) end(cause error) {
	x.ended, x.cause = time.Now(), cause
	close(x.done)
}
