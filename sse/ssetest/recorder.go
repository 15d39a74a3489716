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

// Recorder is an [http.ResponseWriter] that records a response as its client would receive it. Only flushed bytes count
// as sent, so that a missing Flush shows; the end of the handler flushes the rest. It supports
// [http.ResponseController] except Hijack and EnableFullDuplex. It accepts any number of bytes: to test a client that
// does not read, use a [Listener]. Its methods are safe for concurrent use.
type Recorder struct {
	t      testing.TB
	events *Collector[sse.Event]
	ctx    context.Context // done when the client disconnects
	leave  context.CancelFunc

	mu       sync.Mutex // guards the following
	changes  notifier
	header   http.Header
	sent     http.Header // copy of header at WriteHeader
	status   int         // 0 before WriteHeader
	opened   bool        // status and header have been flushed
	pending  []byte      // written, not flushed
	flushes  []string
	unread   []byte // flushed, not decoded
	comments []string
	deadline time.Time // of writes
	failure  error     // the error of all further writes
	finished bool
	broken   bool // the response ended uncleanly
}

var (
	_ http.ResponseWriter = (*Recorder)(nil)
	_ http.Flusher        = (*Recorder)(nil)
)

// NewRecorder returns a Recorder for a handler that the test itself runs. The test calls [Recorder.Finish] when the
// handler returns; the end of the test calls it, too.
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

// Record starts a goroutine that runs h with the request, and records its response. At the end of the test it calls
// [Recorder.Leave] and waits for h to return. A panic aborts the response, as in net/http, and fails the test unless it
// is [http.ErrAbortHandler].
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

// finish ends the response after the handler has returned or panicked.
func (r *Recorder) finish() {
	if cause := recover(); cause != nil {
		if err, _ := cause.(error); !errors.Is(err, http.ErrAbortHandler) {
			r.t.Errorf("ssetest: the recorded handler panicked: %v\n%s", cause, debug.Stack())
		}
		r.Fail(http.ErrAbortHandler)
	}
	r.Finish()
}

// Header returns the header, which the first flush sends.
func (r *Recorder) Header() http.Header { return r.header }

// WriteHeader sets the status. Only the first call counts, as in net/http.
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

// Write buffers b until the next flush. After the end of the handler it fails with [http.ErrHandlerTimeout]; net/http
// would panic.
func (r *Recorder) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.writeHeader(http.StatusOK)
	if err := r.writeError(); err != nil {
		return 0, err
	}
	if r.status == http.StatusNoContent || r.status == http.StatusNotModified {
		return 0, http.ErrBodyNotAllowed
	}
	r.pending = append(r.pending, b...)
	return len(b), nil
}

// Flush calls FlushError and ignores its error.
func (r *Recorder) Flush() { _ = r.FlushError() }

// FlushError sends the buffered bytes. The first flush also sends the header.
func (r *Recorder) FlushError() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.writeHeader(http.StatusOK)
	if err := r.writeError(); err != nil {
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
	r.changes.notify()
}

// writeError returns the error of a write now, nil if it succeeds.
func (r *Recorder) writeError() error {
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

// SetWriteDeadline sets the time from which writes fail. A response that ends after it is aborted, as in net/http. The
// zero time removes the deadline. It returns nil.
func (r *Recorder) SetWriteDeadline(t time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.deadline = t
	return nil
}

// SetReadDeadline does nothing and returns nil.
func (r *Recorder) SetReadDeadline(time.Time) error { return nil }

// Finish ends the response, as the return of the handler does. The end is clean unless writes fail by then. Tests that
// call their handler themselves call Finish after it.
func (r *Recorder) Finish() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.finished {
		return
	}
	r.writeHeader(http.StatusOK)
	r.broken = r.writeError() != nil
	if !r.broken {
		r.flush()
	}
	r.finished = true
	r.changes.notify()
}

// Leave simulates a client that disconnects: further writes fail with EPIPE, and the context of the request that
// [Record] passes to its handler is canceled.
func (r *Recorder) Leave() {
	r.Fail(fmt.Errorf("ssetest: the client has disconnected: %w", syscall.EPIPE))
	r.leave()
}

// Fail makes all further writes and flushes fail with err, as on a broken connection. Only the first call counts.
func (r *Recorder) Fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failure == nil {
		r.failure = err
	}
}

// Opened waits until the status and the header are sent, and returns them. The status is 0 if the response was aborted
// before. If ctx is done first, the error wraps its cause.
func (r *Recorder) Opened(ctx context.Context) (status int, header http.Header, err error) {
	if err := await(ctx, &r.mu, &r.changes, func() bool { return r.opened || r.finished }); err != nil {
		return 0, nil, fmt.Errorf("ssetest: waiting for the header: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.opened {
		return 0, nil, nil
	}
	return r.status, r.sent.Clone(), nil
}

// Flushes returns the bytes sent so far, one element per flush. It omits flushes without bytes.
func (r *Recorder) Flushes() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.flushes)
}

// Comments returns the comments sent so far.
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

// WriteDeadline returns the current deadline of writes, the zero time if there is none.
func (r *Recorder) WriteDeadline() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.deadline
}

// Events returns the events that a client reads from the response, for any status and content type. After a clean end
// the sequence has no error; after an aborted response its error wraps io.ErrUnexpectedEOF.
func (r *Recorder) Events() *Collector[sse.Event] { return r.events }

// recorded reads the flushed bytes.
type recorded struct{ r *Recorder }

func (d recorded) Read(b []byte) (int, error) {
	r := d.r
	// The wait ends at the latest when the test's cleanup finishes the recorder.
	_ = await(context.Background(), &r.mu, &r.changes, func() bool { return len(r.unread) > 0 || r.finished })
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
