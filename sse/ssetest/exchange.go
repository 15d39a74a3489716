package ssetest

import (
	"errors"
	"net/http"
	"net/url"
	"time"
)

// Exchange is a request to a script, and the progress of its answer. Its fields do not change. Its methods are safe for
// concurrent use.
type Exchange struct {
	Method string
	URL    *url.URL // with the scheme and host that the client used
	Header http.Header
	Body   []byte
	Remote string    // the client's address and port
	At     time.Time // when the request and its body had arrived

	done  chan struct{} // closed at the end of the answer, after the following fields are set
	ended time.Time
	cause error
}

// Done returns a channel that is closed at the end of the answer.
func (x *Exchange) Done() <-chan struct{} { return x.done }

// Ended returns when the answer ended, and whether it ended early because the client disconnected. Before that it
// returns the zero time.
func (x *Exchange) Ended() (at time.Time, disconnected bool) {
	select {
	case <-x.done:
		return x.ended, errors.Is(x.cause, errDisconnected)
	default:
		return time.Time{}, false
	}
}

func (x *Exchange) end(cause error) {
	x.ended, x.cause = time.Now(), cause
	close(x.done)
}
