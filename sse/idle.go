package sse

import (
	"io"
	"time"
)

// idleTimer calls a function when something takes too long. It runs only while someone waits for the server, so
// that a slow consumer is not taken for a silent server. A nil idleTimer never fires.
type idleTimer struct {
	timer   *time.Timer
	timeout time.Duration
}

func newIdleTimer(timeout time.Duration, fire func()) *idleTimer {
	if timeout <= 0 {
		return nil
	}
	t := &idleTimer{timer: time.AfterFunc(timeout, fire), timeout: timeout}
	t.stop()
	return t
}

func (t *idleTimer) start() {
	if t != nil {
		t.timer.Reset(t.timeout)
	}
}

func (t *idleTimer) stop() {
	if t != nil {
		t.timer.Stop()
	}
}

func (t *idleTimer) reader(r io.Reader) io.Reader {
	if t == nil {
		return r
	}
	return &idleReader{r, t}
}

type idleReader struct {
	r     io.Reader
	timer *idleTimer
}

func (r *idleReader) Read(p []byte) (int, error) {
	r.timer.start()
	defer r.timer.stop()
	return r.r.Read(p)
}
