package peers

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A request from hub to hub has the field
//
//	Authorization: Tidings-Hub <time>.<nonce>.<mac>
//
// The time is in milliseconds since 1970. The nonce is 16 random bytes. The mac is HMAC-SHA-256 with the key of the cluster over the method,
// the target, the time, the nonce, and the name and the instance of the hub that the request is for, one a line. All values in the field are in
// base64url except the time. The name keeps others from sending a recorded request to another hub, and the instance from sending it to the same
// hub after a restart, which forgets the signatures that it has seen. The signature protects the request, not the response: between hubs of
// different networks the connection needs TLS.

const scheme = "Tidings-Hub "

// tolerance is how much the clocks of two hubs may differ. A signature is therefore valid for up to twice as long, and a hub remembers it for that
// time, so that nobody can repeat a recorded request.
const tolerance = 30 * time.Second

// mostSeen limits the signatures that a hub remembers, twice: those of the current 60 s and of those before. Only hubs can make signatures, and
// they send some requests a second.
const mostSeen = 20_000

// Seen has the signatures of requests that a hub has accepted. The zero value is ready for use, by several goroutines.
type Seen struct {
	mu          sync.Mutex // guards the following fields
	now, before map[[sha256.Size]byte]struct{}
	since       time.Time // when now began
}

// first notes a signature, and returns an error if it was noted before or there is no room.
func (s *Seen) first(signature [sha256.Size]byte, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.since).Abs() > 2*tolerance {
		s.before, s.now, s.since = s.now, map[[sha256.Size]byte]struct{}{}, now
	}
	_, current := s.now[signature]
	_, earlier := s.before[signature]
	switch {
	case current || earlier:
		return errors.New("the signature was used before")
	case len(s.now) >= mostSeen:
		return errors.New("other hubs have sent too many requests in the last minute")
	}
	s.now[signature] = struct{}{}
	return nil
}

// Sign adds the signature to a request for a hub, of which it needs the name and the instance.
func Sign(r *http.Request, key []byte, hub *Hub, now time.Time) {
	at := strconv.FormatInt(now.UnixMilli(), 10)
	random := make([]byte, 16)
	_, _ = rand.Read(random) // never fails
	nonce := base64.RawURLEncoding.EncodeToString(random)
	r.Header.Set("Authorization", scheme+at+"."+nonce+"."+base64.RawURLEncoding.EncodeToString(mac(r, key, hub, at, nonce)))
}

// Verify returns an error unless a request was signed with the key, for this process of this hub, within the tolerance of now, and has not been
// seen before.
func (s *Seen) Verify(r *http.Request, key []byte, hub *Hub, now time.Time) error {
	text, ok := strings.CutPrefix(r.Header.Get("Authorization"), scheme)
	parts := strings.Split(text, ".")
	if !ok || len(parts) != 3 {
		return errors.New("the request has no signature of a hub")
	}
	ms, err := strconv.ParseInt(parts[0], 10, 64)
	if err != nil {
		return errors.New("the time in the signature is not a number")
	}
	signed, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || !hmac.Equal(signed, mac(r, key, hub, parts[0], parts[1])) {
		return fmt.Errorf("the signature is not made with the key of this cluster for the hub %q since its start", hub.Name)
	}
	if d := now.Sub(time.UnixMilli(ms)).Abs(); d > tolerance {
		return errors.New("the signature is of another time; the clocks of the hubs differ by " + d.Round(time.Second).String())
	}
	return s.first([sha256.Size]byte(signed), now)
}

func mac(r *http.Request, key []byte, hub *Hub, at, nonce string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(strings.Join([]string{"tidings hub request", r.Method, r.URL.RequestURI(), at, nonce, hub.Name, hub.Instance}, "\n")))
	return h.Sum(nil)
}
