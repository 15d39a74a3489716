package ssetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/sse"
)

// Recorder is an [http.ResponseWriter] that shows what a handler sends as its client would see it. Only what was flushed
// counts as sent, so that a forgotten Flush shows; the end of the handler flushes what is left. It supports what
// [http.ResponseController] does, but for Hijack and EnableFullDuplex. It takes in any amount; for a client that does
// not read, serve on a [Listener]. Its methods are safe for concurrent use.
type Recorder struct {
	t      testing.TB
	events *Collector[sse.Event]
	ctx    context.Context // done when the client leaves
	leave  context.CancelFunc

	mu       sync.Mutex // guards the following
	bell     bell
	header   http.Header
	sent     http.Header // header as of WriteHeader
	status   int         // 0 before WriteHeader
	opened   bool        // status and header have left
	pending  []byte      // written, not flushed
	flushes  []string
	unread   []byte // flushed, not decoded yet
	comments []string
	deadline time.Time // of writes
	failure  error     // what writes fail with
	finished bool
	broken   bool // the end was no clean one
}

var (
	_ http.ResponseWriter = (*Recorder)(nil)
	_ http.Flusher        = (*Recorder)(nil)
)

// NewRecorder returns a Recorder for a handler that the test runs. It ends with [Recorder.Finish], or with the test.
func NewRecorder(t testing.TB) *Recorder {
	r := &Recorder{t: t, header: make(http.Header)}
	r.ctx, r.leave = context.WithCancel(context.Background())
	r.events = Collect(t, sse.Read(recorded{r}, &sse.ReadOptions{MaxEvent: -1, Comment: r.comment}))
	t.Cleanup(func() {
		r.Finish()
		r.Leave()
	})
	return r
}

// Record runs h in a goroutine for the request, until it returns or the client leaves, at the latest at the end of the
// test. A panic breaks the answer off, as with net/http; other than by [http.ErrAbortHandler] it also fails the test.
func Record(t testing.TB, h http.Handler, request *http.Request) *Recorder {
	r := NewRecorder(t)
	returned := make(chan struct{})
	ctx, cancel := context.WithCancel(request.Context())
	stop := context.AfterFunc(r.ctx, cancel)
	go func() {
		defer close(returned)
		defer cancel()
		defer stop()
		defer r.finish()
		h.ServeHTTP(r, request.WithContext(ctx))
	}()
	t.Cleanup(func() {
		r.Leave()
		waitFor(t, returned, "the recorded handler")
	})
	return r
}

// finish ends the answer of a handler that has returned or panicked.
func (r *Recorder) finish() {
	if cause := recover(); cause != nil {
		if err, _ := cause.(error); !errors.Is(err, http.ErrAbortHandler) {
			r.t.Errorf("ssetest: the recorded handler panicked: %v\n%s", cause, debug.Stack())
		}
		r.Fail(http.ErrAbortHandler)
	}
	r.Finish()
}

// Header returns the header that leaves with the first flush.
func (r *Recorder) Header() http.Header { return r.header }

// WriteHeader sets the status. As with net/http only the first call counts.
func (r *Recorder) WriteHeader(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.writeHeader(status)
}

func (r *Recorder) writeHeader(status int) {
	if r.status == 0 && status >= 200 {
		r.status, r.sent = status, r.header.Clone()
	}
}

// Write keeps b until the next flush. After the handler's end it fails with [http.ErrHandlerTimeout], where net/http
// would panic.
func (r *Recorder) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.writeHeader(http.StatusOK)
	if err := r.unable(); err != nil {
		return 0, err
	}
	if r.status == http.StatusNoContent || r.status == http.StatusNotModified {
		return 0, http.ErrBodyNotAllowed
	}
	r.pending = append(r.pending, b...)
	return len(b), nil
}

// Flush is FlushError for those who do not look.
func (r *Recorder) Flush() { _ = r.FlushError() }

// FlushError sends what was written. The first one sends the header, too.
func (r *Recorder) FlushError() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.writeHeader(http.StatusOK)
	if err := r.unable(); err != nil {
		return err
	}
	r.flush()
	return nil
}

func (r *Recorder) flush() {
	r.opened = true
	if len(r.pending) > 0 {
		r.flushes = append(r.flushes, string(r.pending))
		r.unread = append(r.unread, r.pending...)
		r.pending = r.pending[:0]
	}
	r.bell.ring()
}

// unable returns why nothing can be written any more.
func (r *Recorder) unable() error {
	switch {
	case r.finished:
		return http.ErrHandlerTimeout
	case r.failure != nil:
		return r.failure
	case r.late():
		return os.ErrDeadlineExceeded
	}
	return nil
}

func (r *Recorder) late() bool {
	return !r.deadline.IsZero() && !time.Now().Before(r.deadline)
}

// SetWriteDeadline sets the moment from which on writing fails. An answer that ends after it is broken off, as with
// net/http. The zero time lifts it. It returns nil.
func (r *Recorder) SetWriteDeadline(t time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.deadline = t
	return nil
}

// SetReadDeadline does nothing and returns nil.
func (r *Recorder) SetReadDeadline(time.Time) error { return nil }

// Finish is the return of the handler, for those who call it themselves. The answer ends, cleanly unless writes
// have come to fail by then.
func (r *Recorder) Finish() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.finished {
		return
	}
	r.writeHeader(http.StatusOK)
	r.broken = r.unable() != nil
	if !r.broken {
		r.flush()
	}
	r.finished = true
	r.bell.ring()
}

// Leave is the client going away: writes fail with EPIPE, and the context of a request that [Record] runs is done.
func (r *Recorder) Leave() {
	r.Fail(fmt.Errorf("ssetest: the client has left: %w", syscall.EPIPE))
	r.leave()
}

// Fail makes all further writes and flushes fail with err, as on a connection that is broken. The first call counts.
func (r *Recorder) Fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failure == nil {
		r.failure = err
	}
}

// Opened waits until the status and the header have left and returns them; the status is 0 when the answer was broken off
// before. The error is the cause of ctx's end.
func (r *Recorder) Opened(ctx context.Context) (status int, header http.Header, err error) {
	if err := await(ctx, &r.mu, &r.bell, func() bool { return r.opened || r.finished }); err != nil {
		return 0, nil, fmt.Errorf("ssetest: waiting for the header: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.opened {
		return 0, nil, nil
	}
	return r.status, r.sent.Clone(), nil
}

// Flushes returns what was sent so far, by flush: each element ends where a client sees the stream pause. A flush of
// nothing is not among them.
func (r *Recorder) Flushes() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.flushes)
}

// Comments returns the comments that were sent so far.
func (r *Recorder) Comments() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.comments)
}

func (r *Recorder) comment(text []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.comments = append(r.comments, string(text))
}

// WriteDeadline returns the deadline of writes as it was set last, the zero time if there is none.
func (r *Recorder) WriteDeadline() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.deadline
}

// Events returns the events that are sent, as a client reads them, whatever the status and type of the answer. A clean
// end is one without an error; after a broken one the error is io.ErrUnexpectedEOF.
func (r *Recorder) Events() *Collector[sse.Event] { return r.events }

// recorded reads what was flushed.
type recorded struct{ r *Recorder }

func (d recorded) Read(b []byte) (int, error) {
	r := d.r
	// Only the end of the recorder ends this wait, which the test's cleanup brings about.
	_ = await(context.Background(), &r.mu, &r.bell, func() bool { return len(r.unread) > 0 || r.finished })
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case len(r.unread) > 0:
		n := copy(b, r.unread)
		r.unread = r.unread[n:]
		return n, nil
	case r.broken:
		return 0, io.ErrUnexpectedEOF
	}
	return 0, io.EOF
}
