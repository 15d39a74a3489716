package hub_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/hub"
	"github.com/tidings-sse/tidings/sse"
)

// TestStreamEndsBeforeItsTokenExpires: the client gets tidings.expiring, and resumes with a new token.
func TestStreamEndsBeforeItsTokenExpires(t *testing.T) {
	t.Parallel()
	for _, how := range transports {
		t.Run(how.name, func(t *testing.T) {
			t.Parallel()
			k := serveKeyed(t, mustMemory(t, nil), hub.Options{}, how)
			boss := bearer(k.token(all("boss")))
			k.send(request{path: "/events/news", body: "one", header: boss})
			var ends time.Time
			var seen map[string]sse.Event
			for life := 2 * time.Second; len(seen) < 2 && life < time.Minute; life *= 2 { // on a busy machine a token may end before its stream is open
				ends = time.Now().Add(life)
				short := access.Grant{Subject: "ann", Subscribe: patterns("news"), Expires: ends}
				seen = k.untilEnd(request{path: "/events/news?since=earliest", header: bearer(k.token(short))}, "tidings.expiring", "one")
			}
			var says struct{ Expires time.Time }
			if err := json.Unmarshal([]byte(seen["tidings.expiring"].Data), &says); err != nil || !says.Expires.Equal(ends.Truncate(time.Second)) {
				t.Errorf("%+v (%v), want %v", seen, err, ends)
			}
			k.send(request{path: "/events/news", body: "two", header: boss})
			next := bearer(k.token(all("ann")))
			next["Last-Event-ID"] = seen["one"].ID
			k.follow("/events/news", next).want("two")
			await(t, "the reason is counted", func() bool { return k.hub.Closed("expired") > 0 })
		})
	}
}

// untilEnd reads a stream to its clean end. It returns the events that have a name as their type or data. A refused stream has none.
func (k *keyed) untilEnd(r request, names ...string) map[string]sse.Event {
	k.Helper()
	resp, err := k.do(k.Context(), r)
	if err != nil {
		k.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	seen := map[string]sse.Event{}
	if resp.StatusCode == http.StatusUnauthorized {
		return seen
	}
	d := sse.NewDecoder(resp.Body, nil)
	for d.Next() {
		for _, name := range names {
			if e := d.Event(); e.Type == name || e.Data == name {
				seen[name] = e
			}
		}
	}
	if err := d.Err(); err != nil && (!resp.Uncompressed || !errors.Is(err, io.ErrUnexpectedEOF)) { // a compressed stream ends without the end of gzip
		k.Errorf("the stream breaks off: %v", err)
	}
	return seen
}

// TestStreamedBodyEndsWhenItsTokenExpires: the events before stay stored.
func TestStreamedBodyEndsWhenItsTokenExpires(t *testing.T) {
	t.Parallel()
	k := serveKeyed(t, mustMemory(t, nil), hub.Options{}, transports[0])
	g := all("ann")
	g.IssuedAt = time.Now().Add(-time.Minute)
	body := make(chunks)
	header := bearer(k.token(g))
	header["Content-Type"] = "application/x-ndjson"
	answered := k.sending(request{method: http.MethodPost, path: "/events/news", reader: body, header: header})
	body <- `{"data":"one"}` + "\n"
	await(t, "the first event is stored", func() bool { return k.log.Head().Seq == 1 })
	if a := k.send(request{path: "/api/v1/revoke", body: `{"sub":"ann"}`, header: bearer(k.token(all("boss")))}); a.status != http.StatusOK {
		t.Fatalf("%+v", a)
	}
	body <- `{"data":"two"}` + "\n"
	p := refused(t, "the body", <-answered, http.StatusUnauthorized, "unauthorized", "revoked")
	if p.Stored == nil || *p.Stored != 1 {
		t.Errorf("%+v", p)
	}
	close(body)
	for _, event := range events(t, k.log) {
		if strings.Contains(event, "two") {
			t.Errorf("the log has %q", event)
		}
	}
}

// chunks is a body that arrives in chunks.
type chunks chan string

func (c chunks) Read(p []byte) (int, error) {
	text, ok := <-c
	if !ok {
		return 0, http.ErrBodyReadAfterClose
	}
	return copy(p, text), nil
}

// TestATokenIsCheckedOnce per connection, for any number of events.
func TestATokenIsCheckedOnce(t *testing.T) {
	t.Parallel()
	policy := policyOf(mustSigner(t))
	var checked atomic.Int64
	k := serveKeyed(t, mustMemory(t, nil), hub.Options{Authorize: func(r *http.Request) (access.Grant, error) {
		checked.Add(1)
		return policy(r)
	}}, transports[0])
	header := bearer(k.token(all("ann")))
	f := k.follow("/events/news", header)
	header = map[string]string{"Authorization": header["Authorization"], "Content-Type": "application/x-ndjson"}
	if a := k.send(request{path: "/events/news", body: strings.Repeat(`{"data":"x"}`+"\n", 100), header: header}); a.status != http.StatusOK {
		t.Fatalf("%+v", a)
	}
	for range 100 {
		f.want("x")
	}
	if n := checked.Load(); n != 2 {
		t.Errorf("a stream and a body of 100 events needed %d checks of the token", n)
	}
}
