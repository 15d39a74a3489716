package sse

import (
	"io"
	"time"
)

// idleTimer calls fire when the server sends nothing for the timeout. It runs only while a read waits for the server,
// so that a slow consumer does not count as a silent server. A nil idleTimer never fires.
type idleTimer struct {
	timeout time.Duration
	fire    func()
	timer   *time.Timer // nil before the first start
}

func newIdleTimer(timeout time.Duration, fire func()) *idleTimer {
	if timeout <= 0 {
		return nil
	}
	return &idleTimer{timeout: timeout, fire: fire}
}

func (t *idleTimer) start() {
	switch {
	case t == nil:
	case t.timer == nil:
		t.timer = time.AfterFunc(t.timeout, t.fire)
	default:
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
