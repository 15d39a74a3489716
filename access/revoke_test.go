package access_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidings-sse/tidings/access"
)

func TestRevocationCoversTokensIssuedUpToItsTime(t *testing.T) {
	at := time.Date(2026, 11, 22, 10, 0, 0, 500e6, time.UTC)
	s := access.NewRevocations(0, -1)
	for _, r := range []access.Revocation{{Subject: "alice", At: at}, {ID: "t1", At: at}} {
		if err := s.Revoke(r); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		g    access.Grant
		want bool
	}{
		{access.Grant{Subject: "alice", IssuedAt: at.Add(-time.Hour)}, true},
		{access.Grant{Subject: "alice", IssuedAt: at.Truncate(time.Second)}, true}, // a time of issue has whole seconds
		{access.Grant{Subject: "alice", IssuedAt: at}, true},
		{access.Grant{Subject: "alice"}, true}, // no time of issue
		{access.Grant{Subject: "alice", IssuedAt: at.Add(time.Second)}, false},
		{access.Grant{Subject: "bob", IssuedAt: at.Add(-time.Hour)}, false},
		{access.Grant{Subject: "t1", ID: "alice", IssuedAt: at.Add(-time.Hour)}, false},
		{access.Grant{Subject: "bob", ID: "t1", IssuedAt: at.Add(-time.Hour)}, true},
		{access.Grant{}, false},
	} {
		if got, yes := s.Revoked(test.g); yes != test.want || yes && !got.Equal(at) {
			t.Errorf("%+v is revoked: %v, by %v", test.g, yes, got)
		}
	}
	if _, yes := (*access.Revocations)(nil).Revoked(access.Grant{Subject: "alice"}); yes {
		t.Error("a nil set revokes a token")
	}
}

func TestNewestRevocationCountsInAnyOrder(t *testing.T) {
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	s := access.NewRevocations(0, -1)
	for _, later := range []time.Duration{0, 5 * time.Minute, 2 * time.Minute} {
		if err := s.Revoke(access.Revocation{Subject: "alice", At: at.Add(later)}); err != nil {
			t.Fatal(err)
		}
	}
	want := []access.Revocation{{Subject: "alice", At: at.Add(5 * time.Minute)}}
	if diff := cmp.Diff(want, s.All()); diff != "" {
		t.Error(diff)
	}
}

func TestRevocationsSurviveARestart(t *testing.T) {
	at := time.Date(2026, 11, 22, 10, 0, 0, 123456789, time.UTC)
	before, after := access.NewRevocations(0, -1), access.NewRevocations(0, -1)
	for _, r := range []access.Revocation{{ID: "t1", At: at}, {Subject: "alice", At: at.Add(-time.Second)}} {
		if err := before.Revoke(r); err != nil {
			t.Fatal(err)
		}
		var read access.Revocation
		if err := json.Unmarshal(must(json.Marshal(r)), &read); err != nil {
			t.Fatal(err)
		}
		if err := after.Revoke(read); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(before.All(), after.All()); diff != "" {
		t.Error(diff)
	}
	if got, want := string(must(json.Marshal(after.All()[0]))), `{"sub":"alice","at":"2026-11-22T09:59:59.123456789Z"}`; got != want {
		t.Errorf("the record is %s, want %s", got, want)
	}
}

func TestInvalidRevocationIsAnError(t *testing.T) {
	s, at := access.NewRevocations(0, -1), time.Now()
	for _, r := range []access.Revocation{{At: at}, {Subject: "a", ID: "b", At: at}, {Subject: "a"}, {ID: strings.Repeat("x", 256), At: at}} {
		if err := s.Revoke(r); err == nil {
			t.Errorf("%.100v is accepted", r)
		}
	}
	if n := len(s.All()); n != 0 {
		t.Errorf("%d are kept", n)
	}
}

func TestRevocationIsDroppedOnlyWhenAllItsTokensExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, forever := access.NewRevocations(24*time.Hour, -1), access.NewRevocations(0, -1)
		r := access.Revocation{Subject: "alice", At: time.Now()}
		old := access.Grant{Subject: "alice", IssuedAt: time.Now()}
		for _, s := range []*access.Revocations{s, forever} {
			if err := s.Revoke(r); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(26 * time.Hour) // 24 hours, and twice the maximum leeway of an hour
		if _, yes := s.Revoked(old); !yes || len(s.All()) != 1 {
			t.Error("it was dropped too early")
		}
		time.Sleep(time.Second)
		if n := len(s.All()); n != 0 {
			t.Errorf("%d are kept", n)
		}
		if err := s.Revoke(r); err != nil || len(s.All()) != 0 {
			t.Errorf("an expired revocation read from the log is kept: %v", err)
		}
		time.Sleep(1000 * 24 * time.Hour)
		if _, yes := forever.Revoked(old); !yes {
			t.Error("it was dropped although tokens may live forever")
		}
	})
}

func TestRevocationsAreLimitedAndNoneIsDroppedForAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := access.NewRevocations(time.Hour, -1)
		at := time.Now()
		for i := range 100_000 {
			r := access.Revocation{Subject: fmt.Sprint(i), At: at}
			if i%2 == 0 {
				r = access.Revocation{ID: fmt.Sprint(i), At: at}
			}
			if err := s.Revoke(r); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Revoke(access.Revocation{Subject: "one more", At: at}); !errors.Is(err, access.ErrTooMany) {
			t.Error(err)
		}
		if err := s.Revoke(access.Revocation{Subject: "1", At: at.Add(time.Second)}); err != nil {
			t.Errorf("a newer time for a known subject is refused: %v", err)
		}
		if _, yes := s.Revoked(access.Grant{ID: "0", IssuedAt: at}); !yes {
			t.Error("the first was dropped")
		}
		time.Sleep(4 * time.Hour)
		if err := s.Revoke(access.Revocation{Subject: "one more", At: time.Now()}); err != nil {
			t.Error(err)
		}
		if n := len(s.All()); n != 1 {
			t.Errorf("%d are kept", n)
		}
	})
}

// TestTokenIDIsRevokedWhateverItsTimeOfIssue: the clock of an issuer may be ahead.
func TestTokenIDIsRevokedWhateverItsTimeOfIssue(t *testing.T) {
	s := access.NewRevocations(0, -1)
	if err := s.Revoke(access.Revocation{ID: "a1", At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if _, yes := s.Revoked(access.Grant{ID: "a1", IssuedAt: time.Now().Add(20 * time.Second)}); !yes {
		t.Error("the token is accepted")
	}
}

// TestClockThatIsAheadDoesNotEvadeARevocation: the clock of an issuer may be ahead by the leeway, so that a token made before a revocation
// seems to be newer. A token made after the leeway is accepted.
func TestClockThatIsAheadDoesNotEvadeARevocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for given, leeway := range map[time.Duration]time.Duration{0: 30 * time.Second, -1: 0, time.Minute: time.Minute} {
			v := &access.Verifier{Keys: []access.Key{keyFor("HS256")}, Leeway: given}
			p := &access.Policy{Verifier: v, Revocations: access.NewRevocations(0, given)}
			token := func() string {
				return hs256(fmt.Sprintf(`{"sub":"alice","iat":%d,%s}`, time.Now().Add(leeway).Unix(), grants))
			}
			before := token()
			if _, err := p.Grant(t.Context(), before); err != nil {
				t.Fatal(err)
			}
			if err := p.Revocations.Revoke(access.Revocation{Subject: "alice", At: time.Now()}); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				_, err := p.Grant(t.Context(), before)
				wantRefusal(t, err, access.Revoked, "are revoked", before)
				time.Sleep(time.Minute)
			}
			if _, err := p.Grant(t.Context(), token()); err != nil {
				t.Errorf("with a leeway of %v, a token made after it is refused: %v", leeway, err)
			}
		}
	})
}
