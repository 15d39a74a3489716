package hub_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/hub"
)

// TestTheFormOfAQueryIsReadOfThoseOnlyWhoAreLetIn: of anybody the hub read 4 MiB, and asked then who that was, and whether there was room.
func TestTheFormOfAQueryIsReadOfThoseOnlyWhoAreLetIn(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	policy := policyOf(mustSigner(t))
	s, addr := exposed(t, hub.Options{MaxConnections: 1, Authorize: func(r *http.Request) (access.Grant, error) {
		asked.Add(1)
		return policy(r)
	}})
	k := &keyed{site: s, signer: mustSigner(t)}
	token := k.token(all("ann"))
	k.follow("/events/news", bearer(token)).want("tidings.checkpoint:") // there is no room after that
	for name, test := range map[string]struct {
		token  string
		status int
	}{
		"nobody":           {"", http.StatusUnauthorized},
		"a bad token":      {"garbage", http.StatusUnauthorized},
		"nothing granted":  {k.token(access.Grant{Subject: "bob"}), http.StatusForbidden},
		"there is no room": {token, http.StatusServiceUnavailable},
	} {
		asked.Store(0)
		conn := dial(t, addr)
		head := "QUERY /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 4000000\r\n"
		if test.token != "" {
			head += "Authorization: Bearer " + test.token + "\r\n"
		}
		fmt.Fprint(conn, head+"\r\n") // and nothing more
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != test.status {
			t.Errorf("%s: %d %s, %v", name, resp.StatusCode, body, err)
		}
		if n := asked.Load(); n != 1 {
			t.Errorf("%s: it was asked %d times who that is", name, n)
		}
	}
}

// TestAFormThatIsUnderWayHasAPlace, which it gives back, also when it is nonsense.
func TestAFormThatIsUnderWayHasAPlace(t *testing.T) {
	t.Parallel()
	s, addr := exposed(t, hub.Options{MaxConnections: 1})
	conn := dial(t, addr)
	fmt.Fprint(conn, "QUERY /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 10\r\n\r\ntopic")
	poll := request{path: "/events/news?poll=1"}
	await(t, "there is no room", func() bool { return s.send(poll).status == http.StatusServiceUnavailable })
	fmt.Fprint(conn, "s=new")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest {
		t.Error(resp.Status)
	}
	await(t, "there is room", func() bool { return s.send(poll).status == http.StatusOK })
}
