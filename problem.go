package tidings

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tidings-sse/tidings/internal/wire"
	"github.com/tidings-sse/tidings/sse"
)

// Kinds of problems, for errors.Is with a [*Problem].
var (
	ErrEnded        = errors.New("the topic has ended")                // 409
	ErrKeyReused    = errors.New("the key was used for other content") // 422
	ErrUnauthorized = errors.New("no valid token")                     // 401
	ErrForbidden    = errors.New("not granted")                        // 403
	ErrTooLarge     = errors.New("too large")                          // 413
)

// sentinels map problems to errors: by name; and by status, if all problems of that status are meant or if the answer has no name.
var sentinels = []struct {
	err    error
	name   wire.ProblemName
	status int
	all    bool
}{
	{ErrEnded, wire.ProblemEnded, http.StatusConflict, false},
	{ErrKeyReused, wire.ProblemKeyReused, http.StatusUnprocessableEntity, false},
	{ErrUnauthorized, wire.ProblemUnauthorized, http.StatusUnauthorized, true},
	{ErrForbidden, wire.ProblemForbidden, http.StatusForbidden, true},
	{ErrTooLarge, wire.ProblemTooLarge, http.StatusRequestEntityTooLarge, true},
	{ErrGap, wire.ProblemGap, http.StatusGone, false},
}

// Problem is a refusal by the hub, as a problem document (RFC 9457). Of an answer without a document it has Status, Title and, if the
// answer is plain text, Detail.
type Problem struct {
	Type   string // a URI that never changes; see Name
	Title  string
	Status int
	Detail string // what is wrong, and what to do

	RetryAfter time.Duration // from the answer's Retry-After field; 0 if it has none

	// Stored is how many events of a refused body the hub has stored, and Last the position of the last of them.
	// [Client.PublishAll] and [Client.PublishStream] return these numbers over all requests.
	Stored int
	Last   string

	Members map[string]json.RawMessage // all other members
}

// refused is the problem of a refused stream together with the answer: errors.As finds both.
type refused struct {
	problem *Problem
	answer  *sse.ResponseError
}

func (e *refused) Error() string   { return e.problem.Error() }
func (e *refused) Unwrap() []error { return []error{e.problem, e.answer} }

// Name returns the last part of the type, such as "key-reused", for programs that branch on it. Without a type it is "".
func (p *Problem) Name() string { return string(wire.ParseProblemName(p.Type)) }

func (p *Problem) Error() string {
	text := cmp.Or(p.Detail, p.Title)
	status := strings.TrimSpace(strconv.Itoa(p.Status) + " " + p.Name())
	if text == "" {
		return status
	}
	return fmt.Sprintf("%s (%s)", text, status)
}

// Is reports whether the problem is of the kind of a sentinel such as [ErrEnded].
func (p *Problem) Is(target error) bool {
	name := wire.ParseProblemName(p.Type)
	for _, s := range sentinels {
		if s.err == target {
			return name == s.name || p.Status == s.status && (s.all || name == "")
		}
	}
	return false
}

// UnmarshalJSON reads a problem document. It ignores the type of a member that has the wrong one (RFC 9457, section 3.1), and keeps it in Members.
func (p *Problem) UnmarshalJSON(text []byte) error {
	*p = Problem{}
	if err := json.Unmarshal(text, &p.Members); err != nil {
		return err
	}
	for name, into := range map[string]any{
		"type": &p.Type, "title": &p.Title, "status": &p.Status, "detail": &p.Detail, "stored": &p.Stored, "last": &p.Last,
	} {
		if raw, ok := p.Members[name]; ok {
			if json.Unmarshal(raw, into) == nil {
				delete(p.Members, name)
			}
		}
	}
	p.Stored = max(p.Stored, 0)
	if len(p.Members) == 0 {
		p.Members = nil
	}
	return nil
}

// longestDetail is how much of a plain text becomes the detail, in bytes.
const longestDetail = 300

// problemOf returns the problem of an answer. The status of the answer overrides that of the document.
func problemOf(status int, header http.Header, body []byte) *Problem {
	p := new(Problem)
	kind, _, _ := mime.ParseMediaType(header.Get("Content-Type"))
	switch kind {
	case wire.MediaProblem, "application/json":
		if json.Unmarshal(body, p) != nil {
			*p = Problem{}
		}
	case "text/plain", "": // net/http answers plain HTTP on a TLS port without a type
		p.Detail = strings.ToValidUTF8(strings.TrimSpace(string(body[:min(len(body), longestDetail)])), "")
	}
	p.Status = status
	p.Title = cmp.Or(p.Title, http.StatusText(status))
	if to := header.Get("Location"); to != "" && status/100 == 3 && p.Detail == "" {
		p.Detail = fmt.Sprintf("the hub redirects to %q; use that URL", to)
	}
	p.RetryAfter = sse.ParseRetryAfter(header.Get("Retry-After"), time.Now())
	return p
}
