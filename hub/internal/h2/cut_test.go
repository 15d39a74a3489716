package h2_test

import (
	"errors"
	"io"
	"net/http"
	"testing"
)

// upload sends "hello" in one frame, which ends the body or not, and ends the connection when the handler has it. It returns the error with which the
// handler has read the rest.
func upload(t *testing.T, way string, whole bool) error {
	t.Helper()
	begun, rest := make(chan error, 1), make(chan error, 1)
	s := serve(t, way, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.ReadFull(r.Body, make([]byte, len("hello")))
		begun <- err
		<-r.Context().Done()
		_, err = io.ReadAll(r.Body)
		rest <- err
	}), nil)
	p := connect(t, s)
	p.open(1, false, http.MethodPost, "/")
	p.check(p.in.WriteData(1, whole, []byte("hello")))
	p.check(<-begun)
	p.check(p.conn.Close())
	return <-rest
}

// TestBodyCutByTheEndOfItsConnectionIsNotWhole: a client ends its connection, or dies, between two frames of a body. The body ended as if it were complete,
// so that half of an event was stored.
func TestBodyCutByTheEndOfItsConnectionIsNotWhole(t *testing.T) {
	each(t, func(t *testing.T, way string) {
		if err := upload(t, way, false); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("the error is %v", err)
		}
	})
}

// TestWholeBodyIsReadAfterItsClientHasGone: a publisher that does not wait for the answer has sent everything.
func TestWholeBodyIsReadAfterItsClientHasGone(t *testing.T) {
	each(t, func(t *testing.T, way string) {
		if err := upload(t, way, true); err != nil {
			t.Errorf("the error is %v", err)
		}
	})
}
