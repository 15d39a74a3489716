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
	"time"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub/internal/fanout"
	"github.com/tidings-sse/tidings/internal/wire"
)

// Problem is the reason for refusing a request, as a problem document (RFC 9457). docs/protocol.md lists the problems.
type Problem struct {
	Name   string         // identifies the kind of problem for programs; names never change
	Status int            // HTTP status
	Detail string         // what is wrong, and what to do
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

// The names of problems.
const (
	problemInvalidRequest = wire.ProblemInvalidRequest
	problemInvalidTopic   = wire.ProblemInvalidTopic
	problemInvalidEvent   = wire.ProblemInvalidEvent
	problemUnauthorized   = wire.ProblemUnauthorized
	problemForbidden      = wire.ProblemForbidden
	problemForeignOrigin  = wire.ProblemForeignOrigin
	problemLocalOnly      = wire.ProblemLocalOnly
	problemNotFound       = wire.ProblemNotFound
	problemMethod         = wire.ProblemMethodNotAllowed
	problemNotAcceptable  = wire.ProblemNotAcceptable
	problemBroken         = wire.ProblemBrokenBody
	problemTimeout        = wire.ProblemTimeout
	problemEnded          = wire.ProblemEnded
	problemCluster        = wire.ProblemCluster
	problemGap            = wire.ProblemGap
	problemTooLarge       = wire.ProblemTooLarge
	problemTooMany        = wire.ProblemTooManyTopics
	problemMediaType      = wire.ProblemUnsupportedMedia
	problemKeyReused      = wire.ProblemKeyReused
	problemTooManyStreams = wire.ProblemTooManyStreams
	problemTooManyBodies  = wire.ProblemTooManyBodies
	problemTooFast        = wire.ProblemTooFast
	problemUnchecked      = wire.ProblemUnchecked
	problemFull           = wire.ProblemFull
	problemUnavailable    = wire.ProblemUnavailable
	problemNotReady       = wire.ProblemNotReady
	problemDraining       = wire.ProblemDraining
	problemInternal       = wire.ProblemInternal
)

func problem(status int, name wire.ProblemName, format string, args ...any) *Problem {
	return &Problem{Name: string(name), Status: status, Detail: fmt.Sprintf(format, args...)}
}

// asProblem returns the problem that an error becomes for the client.
func (h *Hub) asProblem(err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	var p *Problem
	invalid, isInvalid := errors.AsType[*eventlog.InvalidError](err)
	size, isSize := errors.AsType[*eventlog.SizeError](err)
	ended, isEnded := errors.AsType[*eventlog.EndedError](err)
	key, isKey := errors.AsType[*eventlog.KeyError](err)
	gap, isGap := errors.AsType[*GapError](err)
	tooLong, isTooLong := errors.AsType[*http.MaxBytesError](err)
	switch {
	case isInvalid:
		p = problem(http.StatusBadRequest, problemInvalidTopic, "%s", plainly(invalid))
	case isSize:
		p = problem(http.StatusRequestEntityTooLarge, problemTooLarge, "%s", plainly(size))
	case isTooLong:
		p = h.tooLarge(tooLong.Limit)
	case isEnded:
		p = problem(http.StatusConflict, problemEnded, "topic %q has ended with %s; publish to another one", ended.Topic, ended.End)
		p.Extra = map[string]any{"topic": ended.Topic, "end": ended.End.String()}
	case isKey:
		p = problem(http.StatusUnprocessableEntity, problemKeyReused,
			"the key was used for another event of topic %q, %s; use a new key for a new event", key.Topic, key.First)
		p.Extra = map[string]any{"first": key.First.String()}
	case isGap:
		p = problem(http.StatusGone, problemGap,
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
		p = problem(http.StatusServiceUnavailable, problemUnavailable, "%s", plainly(err))
		p.RetryAfter = 5 * time.Second
	case errors.Is(err, eventlog.ErrClosed):
		p = h.drainProblem()
	case errors.Is(err, context.DeadlineExceeded):
		p = problem(http.StatusServiceUnavailable, problemUnavailable, "the log does not answer; send the request again, with the same Idempotency-Key if it had one")
		p.RetryAfter = 5 * time.Second
	case errors.Is(err, context.Canceled): // the client has disconnected
		p = problem(http.StatusRequestTimeout, problemBroken, "the request was canceled before its answer; send it again")
	default:
		h.opts.Logger.Error("a request failed", "err", access.HideTokens(err.Error()))
		p = problem(http.StatusInternalServerError, problemInternal, "an internal error, which the hub has logged; try again")
	}
	p.Err = err
	return p
}

func (h *Hub) tooLarge(limit int64) *Problem {
	return problem(http.StatusRequestEntityTooLarge, problemTooLarge,
		"the event is larger than the limit of %d bytes; send less, or ask the hub's operator to raise the limit", limit)
}

func (h *Hub) drainProblem() *Problem {
	p := problem(http.StatusServiceUnavailable, problemDraining, "the hub is shutting down; try again in a few seconds")
	p.RetryAfter = jitter(time.Second, 5*time.Second)
	return p
}

func jitter(least, most time.Duration) time.Duration { return least + rand.N(most-least) }

// plainly returns the text of an error of package eventlog without the prefix of the package.
func plainly(err error) string {
	const prefix = "eventlog: "
	text := err.Error()
	if len(text) > len(prefix) && text[:len(prefix)] == prefix {
		return text[len(prefix):]
	}
	return text
}

// refuse counts a refusal and answers with it in a dialect.
func (h *Hub) refuse(w http.ResponseWriter, r *http.Request, d Dialect, err error) {
	p := h.asProblem(err)
	h.count.refuse(p)
	if r.ProtoMajor == 1 && p.crowded() {
		w.Header().Set("Connection", "close")
	}
	d.Refuse(w, r, p)
}

// crowded reports whether a client was refused because of a limit on streams, or a drain. Its idle connection is closed, because it would
// use a file descriptor for minutes.
func (p *Problem) crowded() bool {
	return p.is(problemTooManyStreams) || p.is(problemFull) || p.is(problemDraining)
}

// lingering is how long the hub reads the rest of a refused body.
const lingering = 5 * time.Second

// refuseRest refuses a request whose body is not read to its end.
func (h *Hub) refuseRest(w http.ResponseWriter, r *http.Request, err error) error {
	if r.ProtoMajor != 1 {
		return err
	}
	h.refuseSender(w, r, native{}, err, func() {})
	return nil
}

// refuseSender refuses an HTTP/1 request whose client may still be sending the body. It answers at once and then discards the body for a
// moment: closing a connection with unread bytes would destroy the answer (RFC 9112, section 9.6). net/http would read the body before it
// answers. stop waits for the goroutine that reads the body.
func (h *Hub) refuseSender(w http.ResponseWriter, r *http.Request, d Dialect, err error, stop func()) {
	w.Header().Set("Connection", "close")
	h.refuse(w, r, d, err)
	control := http.NewResponseController(w)
	_ = control.Flush() // an error means that the client has disconnected, or that the writer cannot flush
	until := time.Now().Add(lingering)
	_ = control.SetReadDeadline(until)
	stop()
	if err := control.SetReadDeadline(until); err == nil { // again: the other reader may have changed the deadline
		_, _ = io.Copy(io.Discard, r.Body)
	}
}
