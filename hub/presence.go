package hub

import (
	"errors"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/hub/internal/fanout"
	"github.com/tidings-sse/tidings/hub/internal/presence"
	"github.com/tidings-sse/tidings/internal/wire"
)

// Present says who a stream makes present at which topics.
type Present struct {
	Topics []string

	// Subject and Data must be empty, or those of the grant. A hub without [Options.Authorize] has no other way to know them, and accepts any
	// subject of up to 255 bytes, and data as in [access.Grant].PresentData. Without a subject, only the stream is counted.
	Subject, Data string
}

// attendance is what a stream has to do with presence.
type attendance struct {
	table   *presence.Table
	stay    *presence.Stay // nil: it makes nobody present
	watched []*presence.Topic
	boards  []fanout.Board // of watched
}

// board is a topic of the table, for package fanout. The two packages do not know each other.
type board struct{ *presence.Topic }

func newPresence(h *Hub) *presence.Table {
	return presence.New(presence.Options{
		MaxMembers: h.opts.MaxMembers, Shared: h.inCluster(), Isolated: fanout.IsolatedAfter, Serving: func() bool { return !h.fanout.Refuses() },
		Tell: func(t *presence.Topic, version uint64, data string) { h.fanout.Post(board{t}, version, data) },
	})
}

// attend makes the subject of a stream present, and the stream watch. It returns nil if the subscription asks for neither. The stream then
// calls leave once.
func (h *Hub) attend(g *access.Grant, from address, s *Subscription) (*attendance, error) {
	if s.Present == nil && len(s.Watch) == 0 {
		return nil, nil
	}
	a := &attendance{table: h.presence}
	if s.Present != nil {
		subject, data, err := h.presentAs(g, s.Present)
		if err != nil {
			return nil, err
		}
		if a.stay, err = h.presence.Join(s.Present.Topics, subject, data, h.memberHolder(subject, from)); err != nil {
			return nil, h.tooManyMembers(err)
		}
		if !h.keyless {
			grant := *g
			a.stay.Revoked = func() bool {
				_, yes := h.revocations.Revoked(grant)
				return yes
			}
		}
	}
	if len(s.Watch) > 0 {
		a.watched = h.presence.Watch(s.Watch)
		for _, t := range a.watched {
			a.boards = append(a.boards, board{t})
		}
	}
	return a, nil
}

// memberHolder returns for whose share a member counts: for its subject, or for the network of its client at a hub without keys, where clients
// choose their subjects. It is empty if the address is unknown.
func (h *Hub) memberHolder(subject string, from address) string {
	if h.keyless {
		return from.network().String()
	}
	return subject
}

// tooManyMembers returns the problem for an error of [presence.Table.Join].
func (h *Hub) tooManyMembers(err error) error {
	var p *Problem
	share := presence.Options{MaxMembers: h.opts.MaxMembers}.Share()
	switch {
	case errors.Is(err, presence.ErrShare) && h.keyless:
		p = NewProblem(http.StatusTooManyRequests, wire.ProblemTooManyMembers, "your address would have more than %d members at all topics, which is its limit; a member counts until 15 s after its last stream. "+
			"Be present at fewer topics, or follow them without present=1", share)
		p.Err = &limitError{limitAddressMembers}
	case errors.Is(err, presence.ErrShare):
		p = NewProblem(http.StatusTooManyRequests, wire.ProblemTooManyMembers, "your subject would be present at more than %d topics, which is its limit; a topic counts until 15 s after your last stream there. "+
			"Be present at fewer topics, or follow them without present=1", share)
		p.Err = &limitError{limitTokenMembers}
	case errors.Is(err, presence.ErrFull):
		p = NewProblem(http.StatusServiceUnavailable, wire.ProblemFull, "the hub has %d members at all topics, which is its limit; try again later, or follow the topics without present=1", h.opts.MaxMembers)
		p.Err = &limitError{limitMembers}
	default:
		return err
	}
	p.RetryAfter = retryAfter
	return p
}

// leave ends what the stream has to do with presence. A subject whose grant was revoked leaves at once: it cannot come back.
func (a *attendance) leave(why fanout.Reason) {
	if a == nil {
		return
	}
	if a.stay != nil {
		a.stay.Leave(why == fanout.Revoked)
	}
	a.table.Unwatch(a.watched)
}

// maxSubject is the size of the largest subject, in bytes. Tokens have the same limit.
const maxSubject = 255

// presentAs returns the subject that becomes present, and its data.
func (h *Hub) presentAs(g *access.Grant, p *Present) (subject, data string, err error) {
	subject, data = g.Subject, g.PresentData
	switch {
	case !h.keyless && p.Subject != "" && p.Subject != g.Subject:
		return "", "", NewProblem(http.StatusForbidden, wire.ProblemForbidden,
			"you may not be present as %.300q; only the token names its subject (sub), so leave the parameter subject out", p.Subject)
	case h.keyless && len(p.Subject) > maxSubject:
		return "", "", NewProblem(http.StatusBadRequest, wire.ProblemInvalidRequest, "the subject has %d bytes; the limit is %d", len(p.Subject), maxSubject)
	case h.keyless && !plainText(p.Subject):
		return "", "", NewProblem(http.StatusBadRequest, wire.ProblemInvalidRequest, "the subject %.300q is not UTF-8, or has control characters", p.Subject)
	case h.keyless:
		subject, data = p.Subject, p.Data
	case p.Data != "" && !samePresentData(p.Data, g.PresentData):
		return "", "", NewProblem(http.StatusForbidden, wire.ProblemForbidden,
			"you may not set the data of your subject; it comes from the claim present_data of the token, so leave the parameter present_data out")
	}
	if data, err = access.ParsePresentData([]byte(data)); err != nil {
		return "", "", NewProblem(http.StatusBadRequest, wire.ProblemInvalidRequest, "%v", err)
	}
	return subject, data, nil
}

// samePresentData reports whether a parameter is the data of a grant, apart from white space.
func samePresentData(param, granted string) bool {
	compact, err := access.ParsePresentData([]byte(param))
	return param == granted || err == nil && compact == granted
}

// plainText reports whether a text is UTF-8 without control characters.
func plainText(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}
