package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/internal/wire"
)

// explainRequest is the body of a request to explain a token.
type explainRequest struct {
	Token string `json:"token"`
	Topic string `json:"topic"` // a topic or pattern; may be empty
}

// maxExplain is the largest body of a request to explain a token, in bytes.
const maxExplain = 2*access.MaxToken + 6*eventlog.MaxTopic

// explanation is the answer.
type explanation struct {
	Accepted  bool           `json:"accepted"`
	Refusal   *refusalAnswer `json:"refusal,omitempty"`
	Claims    claimsAnswer   `json:"claims"`
	ExpiresIn *int64         `json:"expires_in,omitempty"` // seconds; negative: the token has expired
	Algorithm string         `json:"algorithm,omitempty"`
	KeyID     string         `json:"key_id,omitempty"` // that the token names
	Key       *keyAnswer     `json:"key,omitempty"`    // that signed it
	Topic     *topicVerdict  `json:"topic,omitempty"`
}

// refusalAnswer says why a token is refused.
type refusalAnswer struct {
	Reason access.Reason `json:"reason"`
	Detail string        `json:"detail"` // for administrators
	Public string        `json:"public"` // what the client gets
}

// claimsAnswer are the claims of a token. If the token is refused, nothing vouches for them.
type claimsAnswer struct {
	Subject   string    `json:"subject,omitempty"`
	ID        string    `json:"id,omitempty"`
	Issuer    string    `json:"issuer,omitempty"`
	Audience  []string  `json:"audience,omitempty"`
	IssuedAt  time.Time `json:"issued_at,omitzero"`
	NotBefore time.Time `json:"not_before,omitzero"`
	Expires   time.Time `json:"expires,omitzero"`
	Publish   []string  `json:"publish"`
	Subscribe []string  `json:"subscribe"`
	Presence  []string  `json:"presence"`
	Admin     bool      `json:"admin"`

	PresentData json.RawMessage `json:"present_data,omitempty"`
}

// keyAnswer names a key of the hub.
type keyAnswer struct {
	Number int    `json:"number,omitempty"` // in the order of the hub's settings, from 1
	ID     string `json:"id,omitempty"`     // in the issuer's document of keys
}

// topicVerdict says what a token allows for a topic or pattern.
type topicVerdict struct {
	Topic     string `json:"topic"`
	Subscribe bool   `json:"subscribe"`
	Publish   bool   `json:"publish"`  // always false for a pattern
	Presence  bool   `json:"presence"` // the same
}

// ownToken is the key of a request's context for the credential of the only token that the sender may have explained.
type ownToken struct{}

// checkHolder lets administrators pass, and other clients with credentials, for their own token only. A client that guesses tokens learns
// nothing here that a refusal elsewhere does not tell.
func (h *Hub) checkHolder(r *http.Request) (*http.Request, error) {
	if err := h.checkOrigin(r); err != nil {
		return r, err
	}
	grant, err := h.Authorize(r)
	switch {
	case err != nil:
		return r, err
	case grant.Admin && !h.opts.AdminElsewhere:
		return r, nil
	case grant.Credential == 0:
		return r, Denied(r, grant, "have tokens explained")
	}
	return r.WithContext(context.WithValue(r.Context(), ownToken{}, grant.Credential)), nil
}

// serveExplain says what the token in a request's body allows, and why the hub accepts or refuses it.
func serveExplain(h *Hub, w http.ResponseWriter, r *http.Request, _ string) error {
	if err := noParams(h, r); err != nil {
		return err
	}
	if h.opts.Explain == nil {
		return NewProblem(http.StatusNotFound, wire.ProblemNotFound, "this hub checks no tokens of its own, so it cannot explain one")
	}
	body, err := readSmall(w, r, maxExplain)
	if err != nil {
		return err
	}
	var request explainRequest
	if err := strictJSON(body, &request); err != nil || request.Token == "" {
		return NewProblem(http.StatusBadRequest, wire.ProblemInvalidRequest,
			`the body is invalid; send {"token": "eyJ…", "topic": "news/sports"}, where topic is optional and may be a pattern`)
	}
	var topic eventlog.Pattern
	if request.Topic != "" {
		if topic, err = eventlog.ParsePattern(request.Topic); err != nil {
			return invalidTopic(err)
		}
	}
	own, restricted := r.Context().Value(ownToken{}).(uint64)
	if content, _ := access.Peek(request.Token); restricted && content.Claimed.Credential != own { // before the token is checked
		return NewProblem(http.StatusForbidden, wire.ProblemForbidden,
			"you may have only the token explained with which you send the request; administrators may have any token explained")
	}
	e := h.opts.Explain(r.Context(), request.Token)
	if e.Refusal == nil {
		e.Refusal, _ = errors.AsType[*access.Refusal](h.over(&e.Grant)) // the hub's own revocations may not be those of the policy
	}
	answer := explain(&e, time.Now())
	if request.Topic != "" {
		answer.Topic = verdictOn(&e, topic)
	}
	if restricted {
		answer.Key = nil
		if answer.Refusal != nil {
			answer.Refusal.Detail = answer.Refusal.Public
		}
	}
	return answerJSON(w, answer)
}

// explain returns the answer for a token.
func explain(e *access.Explanation, now time.Time) explanation {
	c := &e.Claimed
	answer := explanation{
		Accepted: e.Refusal == nil, Algorithm: e.Algorithm, KeyID: e.KeyID,
		Claims: claimsAnswer{
			Subject: c.Subject, ID: c.ID, Issuer: e.Issuer, Audience: e.Audience, IssuedAt: c.IssuedAt.UTC(), NotBefore: e.NotBefore.UTC(),
			Expires: c.Expires.UTC(), Publish: texts(c.Publish), Subscribe: texts(c.Subscribe), Presence: texts(c.Presence), Admin: c.Admin,
			PresentData: json.RawMessage(c.PresentData),
		},
	}
	if !c.Expires.IsZero() {
		answer.ExpiresIn = new(c.Expires.Unix() - now.Unix())
	}
	if e.Key != nil {
		answer.Key = &keyAnswer{e.Key.Number, e.Key.ID}
	}
	if e.Refusal != nil {
		answer.Refusal = &refusalAnswer{e.Refusal.Reason, e.Refusal.Detail, e.Refusal.Public}
	}
	return answer
}

// texts returns the topics and patterns of a grant.
func texts(matchers []eventlog.Matcher) []string {
	all := []string{}
	for _, m := range matchers {
		all = append(all, fmt.Sprint(m))
	}
	return all
}

// verdictOn says what a token allows for a topic. A refused token is judged by its claims, as if the hub accepted it.
func verdictOn(e *access.Explanation, topic eventlog.Pattern) *topicVerdict {
	grant := &e.Grant
	if e.Refusal != nil {
		grant = &e.Claimed
	}
	name := topic.String()
	single := !eventlog.IsPattern(name)
	return &topicVerdict{Topic: name, Subscribe: grant.MayFollow(topic), Publish: single && grant.MayPublish(name), Presence: single && grant.MaySee(name)}
}
