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

// Revocation takes tokens back: those of a subject that were issued up to a time, or a single one by its ID, whenever it was issued. What is
// issued to the same subject after that time is good again. As JSON it is what a hub keeps in its log.
type Revocation struct {
	Subject string    `json:"sub,omitempty"` // or
	ID      string    `json:"jti,omitempty"`
	At      time.Time `json:"at"`
}

// ErrTooMany is a revocation that does not fit any more.
var ErrTooMany = errors.New("access: too many revocations are in force; change the key, which takes back all of its tokens at once")

// maxRevocations bounds the memory for revocations to some 30 MB.
const maxRevocations = 100_000

// Revocations are those in force. Nil has none.
//
// The clock of an issuer may be ahead, and then a token that was there before a revocation seems to be of later. All of a subject that
// were issued up to the leeway after its revocation are therefore refused, for as long as they live; what is issued after that is good. A
// time of issue has whole seconds: a token of the same second is refused, too. So is one that does not say when it was issued.
type Revocations struct {
	maxLife, leeway time.Duration

	mu       sync.RWMutex // guards the following
	subjects map[string]time.Time
	ids      map[string]time.Time
}

// NewRevocations returns a set without any. MaxLife is that of the [Verifier]: no token lives longer, so that a revocation can be forgotten
// after that time, when all tokens that it refuses have ended. 0: there is no such bound, and revocations are kept for ever.
//
// Leeway is by how much the clocks of issuers may be ahead of this one, as that of the Verifier: 0: 30 s; negative: not at all.
//
// No more than 100,000 are kept. Those beyond are refused: to drop another one instead would let its tokens in again.
func NewRevocations(maxLife, leeway time.Duration) *Revocations {
	return &Revocations{maxLife: maxLife, leeway: leewayOf(leeway), subjects: make(map[string]time.Time), ids: make(map[string]time.Time)}
}

// Revoke adds a revocation. Of several for the same subject or ID the newest counts, in whatever order they come. The error is
// ErrTooMany, or says what is wrong with r.
func (s *Revocations) Revoke(r Revocation) error {
	name := cmp.Or(r.Subject, r.ID)
	switch {
	case (r.Subject == "") == (r.ID == ""):
		return errors.New("access: a revocation is of a subject (sub) or of a token (jti), and not of both or none")
	case len(name) > maxID:
		return fmt.Errorf("access: a revocation of a name with %d bytes; tokens have no more than %d", len(name), maxID)
	case r.At.IsZero():
		return errors.New("access: a revocation without the time up to which tokens are taken back")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over(r.At) {
		return nil
	}
	in := s.ids
	if r.Subject != "" {
		in = s.subjects
	}
	before, known := in[name]
	if !known && len(s.subjects)+len(s.ids) >= maxRevocations && !s.forget() {
		return ErrTooMany
	}
	if r.At.After(before) {
		in[name] = r.At
	}
	return nil
}

// Revoked reports whether a grant was taken back, and up to which time of issue.
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

// All returns those in force, the oldest first.
func (s *Revocations) All() []Revocation {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget()
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

// Len returns how many there are, with those that are over and not forgotten yet.
func (s *Revocations) Len() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.subjects) + len(s.ids)
}

// over reports whether all tokens that a revocation refuses have ended, whatever the leeway: that of their issue and that of their end.
func (s *Revocations) over(at time.Time) bool {
	return s.maxLife > 0 && time.Since(at) > s.maxLife+2*maxLeeway
}

// forget drops what is over, and reports whether there is room.
func (s *Revocations) forget() bool {
	for _, in := range []map[string]time.Time{s.subjects, s.ids} {
		maps.DeleteFunc(in, func(_ string, at time.Time) bool { return s.over(at) })
	}
	return len(s.subjects)+len(s.ids) < maxRevocations
}
