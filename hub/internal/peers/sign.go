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
	"time"
)

// A request from hub to hub has the field
//
//	Authorization: Tidings-Hub <time>.<nonce>.<mac>
//
// The time is in milliseconds since 1970. The nonce is 16 random bytes. The mac is HMAC-SHA-256 with the key of the cluster over the method,
// the target, the time, the nonce and the name of the hub that the request is for, one a line. All values in the field are in base64url except
// the time. The name keeps others from sending a recorded request to another hub. The signature protects the request, not the response:
// between hubs of different networks the connection needs TLS.

const scheme = "Tidings-Hub "

// tolerance is how much the clocks of two hubs may differ. An attacker can repeat a recorded request to the same hub
// for that long. The paths for hubs only read.
const tolerance = 30 * time.Second

// Sign adds the signature to a request for the hub with this name.
func Sign(r *http.Request, key []byte, hub string, now time.Time) {
	at := strconv.FormatInt(now.UnixMilli(), 10)
	random := make([]byte, 16)
	_, _ = rand.Read(random) // never fails
	nonce := base64.RawURLEncoding.EncodeToString(random)
	r.Header.Set("Authorization", scheme+at+"."+nonce+"."+base64.RawURLEncoding.EncodeToString(mac(r, key, hub, at, nonce)))
}

// Verify returns an error unless a request was signed with the key, for the hub with this name, within the tolerance of now.
func Verify(r *http.Request, key []byte, hub string, now time.Time) error {
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
		return fmt.Errorf("the signature is not made with the key of this cluster for the hub %q", hub)
	}
	if d := now.Sub(time.UnixMilli(ms)).Abs(); d > tolerance {
		return errors.New("the signature is of another time; the clocks of the hubs differ by " + d.Round(time.Second).String())
	}
	return nil
}

func mac(r *http.Request, key []byte, hub, at, nonce string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(strings.Join([]string{"tidings hub request", r.Method, r.URL.RequestURI(), at, nonce, hub}, "\n")))
	return h.Sum(nil)
}
