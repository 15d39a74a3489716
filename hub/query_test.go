package hub_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
)

// TestFormOfAQueryIsReadOnlyAfterAuthorization: only clients with a valid token and within the limits can make the hub read megabytes.
func TestFormOfAQueryIsReadOnlyAfterAuthorization(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	policy := policyOf(mustSigner(t))
	s, addr := serveExposed(t, hub.Options{MaxConnections: 1, Authorize: func(r *http.Request) (access.Grant, error) {
		asked.Add(1)
		return policy(r)
	}})
	k := &keyed{site: s, signer: mustSigner(t)}
	token := k.token(all("ann"))
	k.follow("/events/news", bearer(token)).want("tidings.checkpoint:{}") // this stream uses up the limit
	for name, test := range map[string]struct {
		token  string
		status int
	}{
		"no token":        {"", http.StatusUnauthorized},
		"a bad token":     {"garbage", http.StatusUnauthorized},
		"nothing granted": {k.token(access.Grant{Subject: "bob"}), http.StatusForbidden},
		"over the limit":  {token, http.StatusServiceUnavailable},
	} {
		asked.Store(0)
		conn := dial(t, addr)
		head := "QUERY /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 4000000\r\n"
		if test.token != "" {
			head += "Authorization: Bearer " + test.token + "\r\n"
		}
		fmt.Fprint(conn, head+"\r\n") // the body never comes
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

// TestFormCountsAsAStreamWhileItIsRead: afterwards it does not count, even if the form is invalid.
func TestFormCountsAsAStreamWhileItIsRead(t *testing.T) {
	t.Parallel()
	s, addr := serveExposed(t, hub.Options{MaxConnections: 1})
	conn := dial(t, addr)
	fmt.Fprint(conn, "QUERY /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 10\r\n\r\ntopic")
	poll := request{path: "/events/news?poll=1"}
	await(t, "the form counts as a stream", func() bool { return s.send(poll).status == http.StatusServiceUnavailable })
	fmt.Fprint(conn, "s=new")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest {
		t.Error(resp.Status)
	}
	await(t, "the form no longer counts", func() bool { return s.send(poll).status == http.StatusOK })
}

// formOf returns a form with n topics with long names, and a last topic.
func formOf(n int, prefix, last string) string {
	var b strings.Builder
	for i := range n - 1 {
		fmt.Fprintf(&b, "topic=%s/%d&", prefix, i)
	}
	b.WriteString("topic=" + last)
	return b.String()
}

// TestASubscriptionHasAsManyTopicsAsTheHubAllows: a QUERY can have MaxTopics topics with long names. Neither net/url's limit of 10,000
// parameters nor a fixed size of the form limits it.
func TestASubscriptionHasAsManyTopicsAsTheHubAllows(t *testing.T) {
	t.Parallel()
	const most = 10_000
	form := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	for name, log := range map[string]eventlog.Log{"memory": mustMemory(t, nil), "disk": mustDisk(t, nil)} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, log, &hub.Options{MaxTopics: most}, transports[0])
			s.post("the/last", "before")
			for what, body := range map[string]string{
				"topics":     formOf(most, "a", "the/last"),
				"patterns":   formOf(most, "*", "the/*"),
				"long names": formOf(1000, url.QueryEscape(strings.Repeat("ü", 480)), "the/last"), // 3 MB
			} {
				f := s.open(request{method: "QUERY", path: "/events?last=1", body: body, header: form})
				f.want("before")
				s.post("the/last", "after "+what)
				f.want("after " + what)
				f.close()
				s.post("the/last", "before")
			}
			a := s.send(request{method: "QUERY", path: "/events", body: formOf(most+1, "a", "b"), header: form})
			refused(t, "one more", a, http.StatusBadRequest, "too-many-topics", "10001")
			a = s.send(request{method: "QUERY", path: "/events", body: strings.Repeat("topic=a&", 3*most), header: form})
			refused(t, "many more", a, http.StatusBadRequest, "too-many-topics", "10100")
			a = s.send(request{method: "QUERY", path: "/events", body: "topic=" + strings.Repeat("a", 100_000), header: form})
			refused(t, "a long parameter", a, http.StatusRequestEntityTooLarge, "too-large", "parameter")
		})
	}
}

// TestFormSizeIsLimited to the size that MaxTopics needs.
func TestFormSizeIsLimited(t *testing.T) {
	t.Parallel()
	s := serve(t, mustMemory(t, nil), &hub.Options{IgnoreParams: []string{"pad"}}, transports[0])
	body := strings.Repeat("pad="+strings.Repeat("x", 1000)+"&", 5000)
	a := s.send(request{method: "QUERY", path: "/events", body: body, header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}})
	refused(t, "5 MB", a, http.StatusRequestEntityTooLarge, "too-large", "4194304")
}
