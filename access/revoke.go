package access

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// Revocation revokes the tokens of a subject that were issued up to a time, or one token by its ID, whenever it was issued. Tokens issued
// to the subject after that time are accepted. A hub stores revocations in its log as JSON.
type Revocation struct {
	Subject string    `json:"sub,omitempty"` // either Subject or ID is set
	ID      string    `json:"jti,omitempty"`
	At      time.Time `json:"at"`
}

// ErrTooMany is returned for a revocation over the limit of 100,000.
var ErrTooMany = errors.New("access: too many revocations; change the key instead, which revokes all of its tokens at once")

// maxRevocations limits the memory of revocations to about 30 MB.
const maxRevocations = 100_000

// Revocations is the set of revocations in force. A nil set is empty.
//
// If the clock of an issuer is ahead, a token made before a revocation seems to be newer. So revoking a subject refuses all its tokens
// with an iat up to the leeway after the revocation, for as long as they live. A token without iat is refused, too.
type Revocations struct {
	maxLife, leeway time.Duration

	mu       sync.RWMutex // guards the following
	subjects map[string]time.Time
	ids      map[string]time.Time
}

// NewRevocations returns an empty set, with the MaxLife and Leeway of the [Verifier].
//
// A revocation is dropped when all tokens that it refuses have expired. With a maxLife of 0 tokens may never expire, and revocations are
// kept forever. Leeway is how far the clocks of issuers may be ahead of this one; 0: 30 s; negative: none.
//
// The set keeps at most 100,000 revocations and refuses more. Dropping an old one instead would make its tokens valid again.
func NewRevocations(maxLife, leeway time.Duration) *Revocations {
	return &Revocations{maxLife: maxLife, leeway: leewayOf(leeway), subjects: make(map[string]time.Time), ids: make(map[string]time.Time)}
}

// Revoke adds a revocation. If there are several for the same subject or ID, the one with the latest time counts, in whatever order they
// are added. Revoke returns ErrTooMany over the limit, and another error if r is invalid.
func (s *Revocations) Revoke(r Revocation) error {
	name := cmp.Or(r.Subject, r.ID)
	switch {
	case (r.Subject == "") == (r.ID == ""):
		return errors.New("access: a revocation needs either a subject (sub) or a token ID (jti), not both")
	case len(name) > maxID:
		return fmt.Errorf("access: the subject or token ID of a revocation has %d bytes; the limit is %d", len(name), maxID)
	case r.At.IsZero():
		return errors.New("access: a revocation needs the time up to which tokens are revoked (at)")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.expired(r.At) {
		return nil
	}
	in := s.ids
	if r.Subject != "" {
		in = s.subjects
	}
	before, known := in[name]
	if !known && len(s.subjects)+len(s.ids) >= maxRevocations && !s.prune() {
		return ErrTooMany
	}
	if r.At.After(before) {
		in[name] = r.At
	}
	return nil
}

// Revoked reports whether a grant was revoked, and up to which time of issue.
func (s *Revocations) Revoked(g Grant) (at time.Time, yes bool) {
	if s == nil {
		return time.Time{}, false
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if at, yes = s.ids[g.ID]; yes {
		return at, true
	}
	if at = s.subjects[g.Subject]; at.IsZero() {
		return at, false
	}
	at = at.Add(s.leeway)
	return at, !g.IssuedAt.After(at)
}

// All returns the revocations in force, the oldest first.
func (s *Revocations) All() []Revocation {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.prune()
	all := make([]Revocation, 0, len(s.subjects)+len(s.ids))
	for name, at := range s.subjects {
		all = append(all, Revocation{Subject: name, At: at})
	}
	for name, at := range s.ids {
		all = append(all, Revocation{ID: name, At: at})
	}
	slices.SortFunc(all, func(a, b Revocation) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Subject, b.Subject), cmp.Compare(a.ID, b.ID))
	})
	return all
}

// Len returns the number of revocations, including expired ones that are not dropped yet.
func (s *Revocations) Len() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.subjects) + len(s.ids)
}

// expired reports whether all tokens that a revocation refuses have expired. Both their iat and their exp may be off by the leeway.
func (s *Revocations) expired(at time.Time) bool {
	return s.maxLife > 0 && time.Since(at) > s.maxLife+2*maxLeeway
}

// prune drops expired revocations, and reports whether another one fits.
func (s *Revocations) prune() bool {
	for _, in := range []map[string]time.Time{s.subjects, s.ids} {
		maps.DeleteFunc(in, func(_ string, at time.Time) bool { return s.expired(at) })
	}
	return len(s.subjects)+len(s.ids) < maxRevocations
}
