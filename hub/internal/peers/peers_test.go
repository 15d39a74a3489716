package peers

import (
	"encoding/binary"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidings-sse/tidings/hub/internal/presence"
	"github.com/tidings-sse/tidings/internal/wire"
)

var hubA = &Hub{Name: "a", Instance: "1"}

func names(hubs []Hub) (all []string) {
	for _, h := range hubs {
		all = append(all, h.Name)
	}
	return all
}

func TestHubsAreListedUntilTheyAreSilentOrLeave(t *testing.T) {
	t.Parallel()
	var table Table
	now := time.Unix(1_000_000, 0)
	hello := func(name, instance string, at time.Time) bool {
		return table.Receive(&Message{Hello: &Hub{Name: name, Instance: instance}}, at)
	}
	if !hello("c", "1", now) || hello("c", "1", now) {
		t.Error("c is new the first time only")
	}
	hello("a", "1", now)
	hello("b", "1", now.Add(5*time.Second))
	if got := names(table.Others("a", now.Add(5*time.Second))); !cmp.Equal(got, []string{"b", "c"}) {
		t.Errorf("at first: %v", got)
	}
	if got := names(table.Others("a", now.Add(Expiry))); !cmp.Equal(got, []string{"b"}) {
		t.Errorf("when c has been silent: %v", got)
	}
	if !hello("b", "2", now.Add(Expiry)) {
		t.Error("b is not new after its restart")
	}
	table.Receive(&Message{Bye: &Hub{Name: "b", Instance: "1"}}, now.Add(Expiry)) // of an earlier process
	if got := names(table.Others("a", now.Add(Expiry))); !cmp.Equal(got, []string{"b"}) {
		t.Errorf("after a late Bye: %v", got)
	}
	table.Receive(&Message{Bye: &Hub{Name: "b", Instance: "2"}}, now.Add(Expiry))
	if got := names(table.Others("a", now.Add(Expiry))); len(got) != 0 {
		t.Errorf("when b has left: %v", got)
	}
}

func TestInventedHubsDoNotFillTheMemory(t *testing.T) {
	t.Parallel()
	var table Table
	for i := range 3 * maxHubs {
		table.Receive(&Message{Hello: &Hub{Name: strings.Repeat("x", i+1)}}, time.Unix(0, 0))
	}
	if got := len(table.Others("", time.Unix(0, 0))); got != maxHubs {
		t.Errorf("the table has %d hubs", got)
	}
}

func TestSignatureOfAnotherKeyHubTargetMethodOrTimeIsRefused(t *testing.T) {
	t.Parallel()
	key, now := []byte("0123456789abcdef0123456789abcdef"), time.Unix(1_000_000, 0)
	sign := func() *http.Request {
		r := httptest.NewRequest(http.MethodGet, "http://hub/api/v1/peer/stats?x=1", http.NoBody)
		Sign(r, key, hubA, now)
		return r
	}
	if err := new(Seen).Verify(sign(), key, hubA, now.Add(tolerance)); err != nil {
		t.Errorf("a good one: %v", err)
	}
	for what, spoil := range map[string]func(*http.Request) time.Time{
		"none":      func(r *http.Request) time.Time { r.Header.Del("Authorization"); return now },
		"bearer":    func(r *http.Request) time.Time { r.Header.Set("Authorization", "Bearer a.b.c"); return now },
		"two parts": func(r *http.Request) time.Time { r.Header.Set("Authorization", scheme+"1.2"); return now },
		"no number": func(r *http.Request) time.Time { r.Header.Set("Authorization", scheme+"x.y.z"); return now },
		"method":    func(r *http.Request) time.Time { r.Method = http.MethodDelete; return now },
		"target":    func(r *http.Request) time.Time { r.URL.RawQuery = "x=2"; return now },
		"too late":  func(*http.Request) time.Time { return now.Add(tolerance + time.Millisecond) },
		"too early": func(*http.Request) time.Time { return now.Add(-tolerance - time.Millisecond) },
		"other time": func(r *http.Request) time.Time {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "1000000", "1000001", 1))
			return now
		},
	} {
		r := sign()
		if at := spoil(r); new(Seen).Verify(r, key, hubA, at) == nil {
			t.Errorf("%s: accepted", what)
		}
	}
	if new(Seen).Verify(sign(), key, &Hub{Name: "b", Instance: hubA.Instance}, now) == nil {
		t.Error("recorded and sent to another hub: accepted")
	}
	if new(Seen).Verify(sign(), []byte("another key, another key, another"), hubA, now) == nil {
		t.Error("another key: accepted")
	}
}

// TestRecordedRequestIsRefusedByARestartedHub: the hub has forgotten which signatures it has seen, and accepted the request for up to a minute.
func TestRecordedRequestIsRefusedByARestartedHub(t *testing.T) {
	t.Parallel()
	key, now := []byte("0123456789abcdef0123456789abcdef"), time.Unix(1_800_000_000, 0)
	r := httptest.NewRequest(http.MethodGet, "http://a/x", http.NoBody)
	Sign(r, key, hubA, now)
	if err := new(Seen).Verify(r, key, hubA, now); err != nil {
		t.Fatal(err)
	}
	restarted := &Hub{Name: hubA.Name, Instance: "2"}
	if err := new(Seen).Verify(r, key, restarted, now.Add(time.Second)); err == nil || !strings.Contains(err.Error(), "since its start") {
		t.Errorf("the restarted hub: %v", err)
	}
	r = httptest.NewRequest(http.MethodGet, "http://a/x", http.NoBody)
	if Sign(r, key, restarted, now); new(Seen).Verify(r, key, restarted, now) != nil {
		t.Error("a request for the restarted hub is refused")
	}
}

// TestRecordedRequestIsRefusedWhenItIsRepeated at the same hub, for as long as its signature is valid.
func TestRecordedRequestIsRefusedWhenItIsRepeated(t *testing.T) {
	t.Parallel()
	key, now := []byte("0123456789abcdef0123456789abcdef"), time.Unix(1_800_000_000, 0)
	var seen Seen
	for i := range 100 { // over some minutes
		at := now.Add(time.Duration(i) * 7 * time.Second)
		r := httptest.NewRequest(http.MethodGet, "http://a/x", http.NoBody)
		Sign(r, key, hubA, at.Add(tolerance)) // the sender's clock is ahead
		if err := seen.Verify(r, key, hubA, at); err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
		for _, later := range []time.Duration{0, tolerance, 2 * tolerance} {
			if err := seen.Verify(r, key, hubA, at.Add(later)); err == nil {
				t.Errorf("request %d is accepted again after %v", i, later)
			}
		}
	}
}

func TestSignaturesThatAHubRemembersAreBounded(t *testing.T) {
	t.Parallel()
	var seen Seen
	now := time.Unix(1_800_000_000, 0)
	refused := 0
	for i := range 3 * mostSeen {
		var signature [32]byte
		binary.BigEndian.PutUint64(signature[:], uint64(i))
		if seen.first(signature, now.Add(time.Duration(i)*2*time.Millisecond)) != nil {
			refused++
		}
	}
	if refused < mostSeen-10 || refused > mostSeen+10 || len(seen.now)+len(seen.before) > 2*mostSeen {
		t.Errorf("%d of %d are refused, and %d remembered", refused, 3*mostSeen, len(seen.now)+len(seen.before))
	}
}

func TestHubThatDoesNotAnswerIsNamed(t *testing.T) {
	t.Parallel()
	key := []byte("0123456789abcdef0123456789abcdef")
	good := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := new(Seen).Verify(r, key, &Hub{Name: "good"}, time.Now()); err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		_, _ = w.Write([]byte(r.URL.RequestURI())) // the client checks it
	}))
	defer good.Close()
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer slow.Close()
	hubs := []Hub{{Name: "good", URL: good.URL}, {Name: "slow", URL: slow.URL}, {Name: "silent"}, {Name: "wrong", URL: "http://[::1"}}
	answers := (&Client{Key: key}).Ask(t.Context(), hubs, "/x?y=1")
	if string(answers[0].Body) != "/x?y=1" || answers[0].Err != nil {
		t.Errorf("good: %q, %v", answers[0].Body, answers[0].Err)
	}
	for _, a := range answers[1:] {
		if a.Err == nil || !strings.Contains(a.Err.Error(), a.Hub.Name) {
			t.Errorf("%s: %v", a.Hub.Name, a.Err)
		}
	}
	other := (&Client{Key: []byte("another")}).Ask(t.Context(), hubs[:1], "/x")
	if other[0].Err == nil || !strings.Contains(other[0].Err.Error(), "key of this cluster") {
		t.Errorf("with another key: %v", other[0].Err)
	}
}

// TestMembersHaveTheSameDataAtEveryHub: JSON escaped some characters on the way, so that a member that came to another hub had other data.
func TestMembersHaveTheSameDataAtEveryHub(t *testing.T) {
	const data = `{"name":"<b>&"}`
	sent := Message{Presence: &presence.Part{Topics: []presence.PartTopic{{Topic: "a", In: []presence.PartMember{{Member: wire.Member{Subject: "bob", Data: []byte(data)}}}}}}}
	got, err := Decode(sent.Encode())
	if err != nil {
		t.Fatal(err)
	}
	if in := got.Presence.Topics[0].In[0]; string(in.Data) != data {
		t.Errorf("the data is %s", in.Data)
	}
}
