package ssetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// How an answer ends before its last step.
var (
	errLeft   = errors.New("the client left, or the script was closed")
	errClosed = errors.New("the script was closed")
	errCut    = errors.New("cut")
	errReset  = errors.New("reset")
	errEnd    = errors.New("end")
)

// player gives one answer to one request.
type player struct {
	w    http.ResponseWriter
	conn net.Conn        // that of an answer without HTTP, else nil
	ctx  context.Context // done when the client has left or the script is closed
}

func (p *player) left() <-chan struct{} { return p.ctx.Done() }

func (p *player) over() error {
	if p.ctx.Err() != nil {
		return errLeft
	}
	return nil
}

func (p *player) play(steps []Step) error {
	for _, s := range steps {
		if err := p.over(); err != nil {
			return err
		}
		if err := s.run(p); err != nil {
			return err
		}
	}
	return nil
}

func (p *player) send(piece string) error {
	if piece == "" {
		return p.over()
	}
	if p.conn != nil {
		if _, err := io.WriteString(p.conn, piece); err != nil {
			return errLeft
		}
		return p.over()
	}
	if _, err := io.WriteString(p.w, piece); err != nil {
		return errLeft
	}
	return p.flush()
}

func (p *player) flush() error {
	if err := http.NewResponseController(p.w).Flush(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return errLeft
	}
	return p.over()
}

// answer plays a and returns why it ended, nil if it played to the end. A cut of an HTTP answer is left to the caller,
// since it takes a panic.
func answer(t testing.TB, w http.ResponseWriter, r *http.Request, a Answer) error {
	if a.Status == 0 {
		return answerRaw(t, w, r, a)
	}
	p := &player{w: w, ctx: r.Context()}
	defer context.AfterFunc(p.ctx, func() {
		// A write to a client that does not read would otherwise wait on.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Unix(1, 0))
	})()
	setHeader(w.Header(), a.Header)
	w.WriteHeader(a.Status)
	err := p.flush()
	if err == nil {
		err = p.play(a.Steps)
	}
	if errors.Is(err, errReset) {
		if conn, hijackErr := hijack(w); hijackErr == nil {
			reset(conn)
		} else {
			err = errCut // HTTP/2, where a cut is the reset of the stream
		}
	}
	return err
}

// setHeader prepares exactly the fields in from: net/http guesses no type where it finds the field without a value.
func setHeader(to, from http.Header) {
	to["Content-Type"] = nil
	for name, values := range from {
		to[http.CanonicalHeaderKey(name)] = values
	}
}

func answerRaw(t testing.TB, w http.ResponseWriter, r *http.Request, a Answer) error {
	conn, err := hijack(w)
	if err != nil {
		t.Errorf("ssetest: a raw answer needs a connection of HTTP/1 to itself: %v", err)
		w.WriteHeader(http.StatusInternalServerError)
		return nil
	}
	ctx, cancel := context.WithCancel(r.Context())
	watched := make(chan struct{})
	go func() {
		// net/http looks after a hijacked connection no more, so notice here that the client leaves.
		defer close(watched)
		_, _ = io.Copy(io.Discard, conn)
		cancel()
	}()
	p := &player{conn: conn, ctx: ctx}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetWriteDeadline(time.Unix(1, 0)) })
	defer stop()
	err = p.play(a.Steps)
	if errors.Is(err, errCut) || errors.Is(err, errReset) {
		reset(conn)
	} else {
		_ = conn.Close() // what can be sent has been
	}
	cancel()
	<-watched
	return err
}

func hijack(w http.ResponseWriter) (net.Conn, error) {
	conn, _, err := http.NewResponseController(w).Hijack()
	return conn, err
}

// reset breaks conn off in the way of its kind.
func reset(conn net.Conn) {
	switch c := conn.(type) {
	case *Conn:
		_ = c.Reset() // never fails
		return
	case interface{ NetConn() net.Conn }: // TLS
		reset(c.NetConn())
		return
	case *net.TCPConn:
		_ = c.SetLinger(0) // makes Close send a reset; if it fails the connection is gone anyway
	}
	_ = conn.Close()
}

// readBody reads the body of a request. What a client broke off is kept as far as it came.
func readBody(r *http.Request) []byte {
	var b bytes.Buffer
	_, _ = io.Copy(&b, r.Body)
	return b.Bytes()
}
