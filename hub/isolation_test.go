package hub_test

import (
	"net/http"
	"net/url"
	"runtime"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
)

// TestTopicNamesOfAnyBytesKeepGroupsApart: topic names may contain any bytes, so a name must not produce the key of another subscription. A
// subscriber in the wrong group gets checkpoints and none of its events.
func TestTopicNamesOfAnyBytesKeepGroupsApart(t *testing.T) {
	for _, how := range transports {
		t.Run(how.name, func(t *testing.T) {
			s := serve(t, mustMemory(t, nil), &hub.Options{Heartbeat: 50 * time.Millisecond}, how)
			for range runtime.GOMAXPROCS(0) { // one stream for each shard
				s.follow("/events?exact="+url.QueryEscape("\x00\n**"), nil).next()
			}
			await(t, "all streams are open", func() bool { return s.hub.Streams() == runtime.GOMAXPROCS(0) })
			victim := s.follow("/events", nil) // all topics
			first := victim.next()
			id := s.post("news", "hello")
			for range 1 {
				e := victim.next()
				if e.Data == "hello" {
					return
				}
				t.Logf("the victim (first at %s) gets %+v; published was %s", first.ID, e, id)
			}
			t.Error("the checkpoint has passed an event that the subscriber did not get")
		})
	}
}

// TestTopicNamesOfAnyBytesGrantNothingElse: such a name does not deliver the events of another group.
func TestTopicNamesOfAnyBytesGrantNothingElse(t *testing.T) {
	o := &hub.Options{Authorize: func(r *http.Request) (access.Grant, error) {
		if r.Header.Get("Authorization") == "Bearer admin" {
			return access.Everything(), nil
		}
		return access.Grant{Subscribe: []eventlog.Matcher{eventlog.MustPattern("public/*")}}, nil
	}}
	s := serve(t, mustMemory(t, nil), o, transports[0])
	admin := map[string]string{"Authorization": "Bearer admin"}
	var allowed []*follower // one for each shard
	for range runtime.GOMAXPROCS(0) {
		f := s.follow("/events?topic=public/a&topic=secret", admin)
		f.next()
		allowed = append(allowed, f)
	}
	await(t, "all streams are open", func() bool { return s.hub.Streams() == runtime.GOMAXPROCS(0) })
	if a := s.send(request{path: "/events?poll=1&topic=secret"}); a.status != 401 {
		t.Fatalf("%+v", a)
	}
	spy := s.follow("/events?exact="+url.QueryEscape("public/a\nsecret\n\x00"), nil)
	spy.next()
	await(t, "the stream is open", func() bool { return s.hub.Streams() == runtime.GOMAXPROCS(0)+1 })
	s.hubPublish(hub.Event{Topics: []string{"secret"}, Data: "the password"})
	for _, f := range allowed {
		f.want("the password")
	}
	s.shutdown() // all that the shards have sent comes before the end
	spy.end()
}

// TestPagesAreNotSharedAcrossGrants: the cache of pages has the same keys, and serves all shards and polls.
func TestPagesAreNotSharedAcrossGrants(t *testing.T) {
	o := &hub.Options{Window: 1, Authorize: func(r *http.Request) (access.Grant, error) {
		if r.Header.Get("Authorization") == "Bearer admin" {
			return access.Everything(), nil
		}
		return access.Grant{Subscribe: []eventlog.Matcher{eventlog.MustPattern("public/*")}}, nil
	}}
	s := serve(t, mustMemory(t, nil), o, transports[0])
	begin := s.log.Head()
	for range 3000 { // more than one page
		s.hubPublish(hub.Event{Topics: []string{"secret"}, Data: "the password"})
	}
	admin := map[string]string{"Authorization": "Bearer admin", "Last-Event-ID": begin.String()}
	s.send(request{path: "/events?poll=1&topic=public/a&topic=secret", header: admin})
	a := s.send(request{path: "/events?poll=1&exact=" + url.QueryEscape("public/a\nsecret\n\x00"), header: lastID(begin)})
	if len(a.body) > 1000 {
		t.Errorf("a subscriber that may read only public/* got %d bytes: %.200q", len(a.body), a.body)
	}
}
