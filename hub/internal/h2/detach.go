package h2

import (
	"net/http"

	"golang.org/x/net/http2"
)

// Detachable reports whether Detach will find a stream below w. It does not if w is not a writer of this package, or if middleware hides that
// writer by having no method Unwrap.
func Detachable(w http.ResponseWriter) bool {
	found := find(w)
	return found != nil && found.status == 0 && !found.isHead
}

// Detach sends the header of an answer, and returns its stream, which stays open when the handler returns. The caller has called WriteHeader. The
// handler must not use w and its request after that. ok is false where Detachable is.
func Detach(w http.ResponseWriter) (st *Stream, ok bool) {
	found := find(w)
	if found == nil {
		return nil, false
	}
	return found.detach()
}

func find(w http.ResponseWriter) *response {
	for {
		switch t := w.(type) {
		case *response:
			return t
		case interface{ Unwrap() http.ResponseWriter }:
			w = t.Unwrap()
		default:
			return nil
		}
	}
}

func (w *response) detach() (*Stream, bool) {
	if w.status == 0 || w.isHead || w.headerSent {
		return nil, false
	}
	st, c := w.st, w.st.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if w.failed == nil {
		w.failed = w.awaitRoomForHeader()
	}
	switch {
	case w.failed == nil:
		c.appendHeaders(st.id, w.head(nil, false), false)
	case st.failure() == nil: // data without a header would end the connection
		c.reset(st.id, http2.ErrCodeInternal)
	}
	st.x.body.drop()
	st.x.cancel()
	w.detached, w.headerSent, st.x = true, true, nil
	return st, true // a stream that has ended says so when it is watched
}
