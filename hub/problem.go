package hub

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub/internal/fanout"
	"github.com/tidings-sse/tidings/internal/plain"
	"github.com/tidings-sse/tidings/internal/wire"
)

// Problem is the reason for refusing a request, as a problem document (RFC 9457). docs/protocol.md lists the problems.
type Problem struct {
	Name   string         // identifies the kind of problem for programs; names never change
	Status int            // HTTP status
	Detail string         // the fault, and what to do
	Extra  map[string]any // additional members

	RetryAfter time.Duration // when to try again; 0: trying again does not help
	Err        error         // the cause, which the client does not see
}

func (p *Problem) Error() string {
	return fmt.Sprintf("hub: %s: %s", p.Name, access.HideTokens(p.Detail))
}

func (p *Problem) Unwrap() error { return p.Err }

func (p *Problem) is(name wire.ProblemName) bool { return p.Name == string(name) }

// MarshalJSON returns the problem document.
func (p *Problem) MarshalJSON() ([]byte, error) {
	name := wire.ProblemName(p.Name)
	doc := map[string]any{
		"type": name.URI(), "title": cmp.Or(name.Title(), http.StatusText(p.Status)), "status": p.Status, "detail": access.HideTokens(p.Detail),
	}
	for name, value := range p.Extra {
		if text, ok := value.(string); ok {
			value = access.HideTokens(text)
		}
		doc[name] = value
	}
	return json.Marshal(doc)
}

// NewProblem returns a problem. The names of the native dialect are documented in docs/protocol.md; a dialect may use others.
func NewProblem[Name ~string](status int, name Name, format string, args ...any) *Problem {
	return &Problem{Name: string(name), Status: status, Detail: fmt.Sprintf(format, args...)}
}

// Problem returns the problem that an error becomes in [Dialect].Refuse, for a dialect that adds to it.
func (h *Hub) Problem(err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	var p *Problem
	refusal, isRefusal := errors.AsType[*access.Refusal](err)
	invalid, isInvalid := errors.AsType[*eventlog.InvalidError](err)
	size, isSize := errors.AsType[*eventlog.SizeError](err)
	ended, isEnded := errors.AsType[*eventlog.EndedError](err)
	key, isKey := errors.AsType[*eventlog.KeyError](err)
	gap, isGap := errors.AsType[*GapError](err)
	tooLong, isTooLong := errors.AsType[*http.MaxBytesError](err)
	switch {
	case isRefusal:
		p = refusedToken(refusal)
	case isInvalid:
		p = NewProblem(http.StatusBadRequest, wire.ProblemInvalidTopic, "%s", plainly(invalid))
	case isSize:
		p = NewProblem(http.StatusRequestEntityTooLarge, wire.ProblemTooLarge, "%s", plainly(size))
	case isTooLong:
		p = h.tooLarge(tooLong.Limit)
	case isEnded:
		p = NewProblem(http.StatusConflict, wire.ProblemEnded, "topic %q has ended with %s; publish to another one", ended.Topic, ended.End)
		p.Extra = map[string]any{"topic": ended.Topic, "end": ended.End.String()}
	case isKey:
		p = NewProblem(http.StatusUnprocessableEntity, wire.ProblemKeyReused,
			"the key was used for another event of topic %q, %s; use a new key for a new event", key.Topic, key.First)
		p.Extra = map[string]any{"first": key.First.String()}
	case isGap:
		p = NewProblem(http.StatusGone, wire.ProblemGap,
			"events after %s are no longer available (%s); load the current state, and subscribe from %s", gap.From, gap.Reason, gap.To)
		p.Extra = map[string]any{"reason": gap.Reason, "from": gap.From, "to": gap.To.String()}
	case errors.Is(err, fanout.ErrDraining):
		p = h.drainProblem()
	case errors.Is(err, fanout.ErrUnreadable):
		p = unreadable()
	case errors.Is(err, fanout.ErrIsolated):
		p = isolated()
	case errors.Is(err, fanout.ErrBehind):
		p = behind()
	case errors.Is(err, eventlog.ErrUnavailable):
		p = NewProblem(http.StatusServiceUnavailable, wire.ProblemUnavailable, "%s", adviceLast(plainly(err)))
		p.RetryAfter = 5 * time.Second
	case errors.Is(err, eventlog.ErrUnknown):
		p = NewProblem(http.StatusServiceUnavailable, wire.ProblemUnavailable,
			"whether the event is stored is not known, because the log that this hub shares with others does not answer; send the request again, with the same Idempotency-Key if it had one")
		p.RetryAfter = 5 * time.Second
	case errors.Is(err, eventlog.ErrClosed):
		p = h.drainProblem()
	case errors.Is(err, context.DeadlineExceeded):
		p = NewProblem(http.StatusServiceUnavailable, wire.ProblemUnavailable, "the log does not answer; send the request again, with the same Idempotency-Key if it had one")
		p.RetryAfter = 5 * time.Second
	case errors.Is(err, context.Canceled): // the client has disconnected
		p = NewProblem(http.StatusRequestTimeout, wire.ProblemBrokenBody, "the request was canceled before its answer; send it again")
	default:
		h.opts.Logger.Error("a request failed", "err", access.HideTokens(err.Error()))
		p = NewProblem(http.StatusInternalServerError, wire.ProblemInternal, "an internal error, which the hub has logged; try again")
	}
	p.Err = err
	return p
}

func (h *Hub) tooLarge(limit int64) *Problem {
	return NewProblem(http.StatusRequestEntityTooLarge, wire.ProblemTooLarge,
		"the event is larger than the limit of %d bytes; send less, or ask the hub's operator to raise the limit", limit)
}

func (h *Hub) drainProblem() *Problem {
	p := NewProblem(http.StatusServiceUnavailable, wire.ProblemDraining, "the hub is shutting down; try again in a few seconds")
	p.RetryAfter = jitter(time.Second, 5*time.Second)
	return p
}

func jitter(least, most time.Duration) time.Duration { return least + rand.N(most-least) }

// plainly returns the text of an error for the client of the hub.
func plainly(err error) string { return plain.Text(err.Error()) }

// tryLater is the advice to clients in errors of logs.
const tryLater = "; try again later"

// adviceLast moves the advice behind the cause, which follows it in an error that wraps another one.
func adviceLast(text string) string {
	before, cause, found := strings.Cut(text, tryLater+": ")
	if !found {
		return text
	}
	return before + ": " + strings.TrimSuffix(cause, tryLater) + tryLater
}

// refuse counts a refusal and answers with it in a dialect.
func (h *Hub) refuse(w http.ResponseWriter, r *http.Request, d Dialect, err error) {
	p := h.Problem(err)
	h.count.refuse(p)
	if r.ProtoMajor == 1 && p.crowded() {
		w.Header().Set("Connection", "close")
	}
	if errors.Is(p.Err, errCoding) {
		w.Header().Set("Accept-Encoding", acceptedCodings)
	}
	d.Refuse(w, r, p)
}

// crowded reports whether a client was refused because of a limit on streams, or a drain. Its idle connection is closed, because it would
// use a file descriptor for minutes.
func (p *Problem) crowded() bool {
	return p.is(wire.ProblemTooManyStreams) || p.is(wire.ProblemFull) || p.is(wire.ProblemDraining)
}

// lingering is how long the hub reads the rest of a refused body.
const lingering = 5 * time.Second

// refuseSender refuses an HTTP/1 request whose client may still be sending the body. It answers at once: net/http would read the body before
// it answers. wait waits until no goroutine reads the body.
func (h *Hub) refuseSender(w http.ResponseWriter, r *http.Request, d Dialect, err error, wait func()) {
	w.Header().Set("Connection", "close")
	h.refuse(w, r, d, err)
	h.discardRest(w, r, wait)
}

// discardRest discards the body of an answered HTTP/1 request for a moment: closing a connection with unread bytes would destroy the answer
// (RFC 9112, section 9.6).
func (h *Hub) discardRest(w http.ResponseWriter, r *http.Request, wait func()) {
	control := http.NewResponseController(w)
	_ = control.Flush() // an error means that the client has disconnected, or that the writer cannot flush
	until := time.Now().Add(lingering)
	_ = control.SetReadDeadline(until)
	wait()
	if err := control.SetReadDeadline(until); err == nil { // again: the other reader may have changed the deadline
		_, _ = io.Copy(io.Discard, r.Body)
	}
}
