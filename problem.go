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

// What errors.Is finds in a [*Problem], for callers who do one thing or another.
var (
	ErrEnded        = errors.New("the topic has ended")                // 409: publish to another one
	ErrKeyReused    = errors.New("the key was used for other content") // 422
	ErrUnauthorized = errors.New("no token that the hub takes")        // 401
	ErrForbidden    = errors.New("not granted")                        // 403
	ErrTooLarge     = errors.New("too large")                          // 413
)

// sentinels say which problems are which: by name, and by status where all problems of a status are meant, or where the hub,
// or a proxy before it, gave no name.
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

// Problem is a refusal, as a problem document (RFC 9457). One that came without a document has Status, Title and, if the
// answer was plain text, Detail.
type Problem struct {
	Type   string // a URI that stays; see Name
	Title  string
	Status int
	Detail string // what is wrong with what, and what to do

	RetryAfter time.Duration // what the answer's Retry-After asked for; 0 if nothing

	// Stored is how many events of a refused body the hub has stored, Last the position of the last one.
	// [Client.PublishAll] and [Client.PublishStream] return the same for all bodies together.
	Stored int
	Last   string

	Members map[string]json.RawMessage // the others, as they came
}

// refused is the problem of a stream that was refused, with the answer itself: errors.As finds both.
type refused struct {
	problem *Problem
	answer  *sse.ResponseError
}

func (e *refused) Error() string   { return e.problem.Error() }
func (e *refused) Unwrap() []error { return []error{e.problem, e.answer} }

// Name returns what programs go by: the last part of the type, such as "key-reused". Without a type it is "".
func (p *Problem) Name() string { return string(wire.ParseProblemName(p.Type)) }

func (p *Problem) Error() string {
	text := cmp.Or(p.Detail, p.Title)
	status := strings.TrimSpace(strconv.Itoa(p.Status) + " " + p.Name())
	if text == "" {
		return status
	}
	return fmt.Sprintf("%s (%s)", text, status)
}

// Is makes errors.Is(p, ErrEnded) and its like true.
func (p *Problem) Is(target error) bool {
	name := wire.ParseProblemName(p.Type)
	for _, s := range sentinels {
		if s.err == target {
			return name == s.name || p.Status == s.status && (s.all || name == "")
		}
	}
	return false
}

// UnmarshalJSON reads a problem document. A member that is not of its type is left out (RFC 9457, 3.1).
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

// longestDetail is how much of a text that is no document is worth showing, in bytes.
const longestDetail = 300

// problemOf returns the problem of an answer. The status of HTTP is the one that counts.
func problemOf(status int, header http.Header, body []byte) *Problem {
	p := new(Problem)
	kind, _, _ := mime.ParseMediaType(header.Get("Content-Type"))
	switch kind {
	case wire.MediaProblem, "application/json":
		if json.Unmarshal(body, p) != nil {
			*p = Problem{}
		}
	case "text/plain", "": // net/http says without a type that it speaks HTTPS only
		p.Detail = strings.ToValidUTF8(strings.TrimSpace(string(body[:min(len(body), longestDetail)])), "")
	}
	p.Status = status
	p.Title = cmp.Or(p.Title, http.StatusText(status))
	if to := header.Get("Location"); to != "" && status/100 == 3 && p.Detail == "" {
		p.Detail = fmt.Sprintf("the hub is elsewhere: the answer leads to %q", to)
	}
	p.RetryAfter = sse.ParseRetryAfter(header.Get("Retry-After"), time.Now())
	return p
}
