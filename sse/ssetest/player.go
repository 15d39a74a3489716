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

// Reasons why an answer ends before its last step.
var (
	errDisconnected = errors.New("the client disconnected, or the script was closed")
	errClosed       = errors.New("the script was closed")
	errCut          = errors.New("cut")
	errReset        = errors.New("reset")
	errEnd          = errors.New("end")
)

// player runs the steps of one answer to one request.
type player struct {
	w    http.ResponseWriter
	conn net.Conn        // the connection of a raw answer, else nil
	ctx  context.Context // done when the client disconnects or the script is closed
}

func (p *player) disconnected() <-chan struct{} { return p.ctx.Done() }

func (p *player) endReason() error {
	if p.ctx.Err() != nil {
		return errDisconnected
	}
	return nil
}

func (p *player) play(steps []Step) error {
	for _, s := range steps {
		if err := p.endReason(); err != nil {
			return err
		}
		if err := s.run(p); err != nil {
			return err
		}
	}
	return nil
}

func (p *player) send(chunk string) error {
	if chunk == "" {
		return p.endReason()
	}
	if p.conn != nil {
		if _, err := io.WriteString(p.conn, chunk); err != nil {
			return errDisconnected
		}
		return p.endReason()
	}
	if _, err := io.WriteString(p.w, chunk); err != nil {
		return errDisconnected
	}
	return p.flush()
}

func (p *player) flush() error {
	if err := http.NewResponseController(p.w).Flush(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return errDisconnected
	}
	return p.endReason()
}

// answer runs the steps of a. It returns nil after the last step, else the reason why the answer ended before. After
// errCut the caller of an HTTP answer must panic with http.ErrAbortHandler.
func answer(t testing.TB, w http.ResponseWriter, r *http.Request, a Answer) error {
	if a.Status == 0 {
		return answerRaw(t, w, r, a)
	}
	p := &player{w: w, ctx: r.Context()}
	defer context.AfterFunc(p.ctx, func() {
		// Ends a write that waits for a client which does not read.
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
			err = errCut // on HTTP/2 a cut resets the stream
		}
	}
	return err
}

// setHeader sets exactly the fields in from. An empty Content-Type field keeps net/http from guessing one.
func setHeader(to, from http.Header) {
	to["Content-Type"] = nil
	for name, values := range from {
		to[http.CanonicalHeaderKey(name)] = values
	}
}

func answerRaw(t testing.TB, w http.ResponseWriter, r *http.Request, a Answer) error {
	conn, err := hijack(w)
	if err != nil {
		t.Errorf("ssetest: a raw answer needs an HTTP/1 connection: %v", err)
		w.WriteHeader(http.StatusInternalServerError)
		return nil
	}
	ctx, cancel := context.WithCancel(r.Context())
	watched := make(chan struct{})
	go func() {
		// net/http does not watch a hijacked connection, so detect here that the client disconnects.
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
		_ = conn.Close() // an error does not matter: all steps are done
	}
	cancel()
	<-watched
	return err
}

func hijack(w http.ResponseWriter) (net.Conn, error) {
	conn, _, err := http.NewResponseController(w).Hijack()
	return conn, err
}

// reset aborts conn with a TCP reset, or with Conn.Reset in memory.
func reset(conn net.Conn) {
	switch c := conn.(type) {
	case *Conn:
		_ = c.Reset() // never fails
		return
	case interface{ NetConn() net.Conn }: // TLS
		reset(c.NetConn())
		return
	case *net.TCPConn:
		_ = c.SetLinger(0) // makes Close send a reset; fails only if the connection is already closed
	}
	_ = conn.Close()
}

// readBody reads the body of a request, as far as it arrives.
func readBody(r *http.Request) []byte {
	var b bytes.Buffer
	_, _ = io.Copy(&b, r.Body)
	return b.Bytes()
}
