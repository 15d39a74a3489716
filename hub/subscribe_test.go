package hub_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
	"github.com/tidings-sse/tidings/internal/wire"
)

// TestSubscriberChoosesWhereToBegin: by position, since, last, or now.
func TestSubscriberChoosesWhereToBegin(t *testing.T) {
	t.Parallel()
	now := time.Now()
	clock := now.Add(-time.Hour)
	log := mustMemory(t, &eventlog.MemoryOptions{Now: func() time.Time { return clock }})
	var receipts []eventlog.Receipt
	for i := range 6 {
		clock = now.Add(time.Duration(i-6) * 10 * time.Minute)
		receipts = append(receipts, mustAppend(t, log, eventlog.Record{Topics: []string{[]string{"a", "b"}[i%2]}, Data: fmt.Sprint(i)})...)
	}
	s := serve(t, log, nil, transports[0])
	third := receipts[2].String()
	for _, test := range []struct {
		query, header string
		want          string
	}{
		{query: "", want: "0 1 2 3 4 5"}, // for a poll
		{query: "since=earliest", want: "0 1 2 3 4 5"},
		{query: "since=25m", want: "4 5"},
		{query: "since=" + url.QueryEscape(receipts[3].Time.Format(time.RFC3339Nano)), want: "3 4 5"},
		{query: "since=1d", want: "0 1 2 3 4 5"},
		{query: "since=0s", want: ""},
		{query: "last=2", want: "4 5"},
		{query: "last=0", want: "0 1 2 3 4 5"},
		{query: "last=100", want: "0 1 2 3 4 5"},
		{query: "last=2&topic=a&topic=b", want: "4 5"},
		{query: "last=2&topic=a", want: "2 4"},
		{query: "since=31m&topic=b", want: "3 5"},
		{query: "last_event_id=" + third, want: "3 4 5"},
		{query: "lastEventId=" + third, want: "3 4 5"},
		{query: "lastEventID=" + third, want: "3 4 5"},
		{header: third, want: "3 4 5"},
		{header: receipts[4].String(), query: "last_event_id=" + third + "&last=6", want: "5"},
		{header: log.Head().String(), want: ""},
		{query: "last_event_id=" + log.Head().Gen + "-0", want: "0 1 2 3 4 5"},
	} {
		header := map[string]string{"Accept": "application/x-ndjson"}
		if test.header != "" {
			header["Last-Event-ID"] = test.header
		}
		a := s.send(request{path: "/events?poll=1&" + test.query, header: header})
		var got []string
		for line := range strings.Lines(a.body) {
			var e wire.Envelope
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			if e.Type == "message" {
				got = append(got, e.Data)
			}
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%s %s: %q, want %q", test.query, test.header, got, test.want)
		}
	}
}

// TestTopicsMayBeInPathParametersAndForm: names and patterns.
func TestTopicsMayBeInPathParametersAndForm(t *testing.T) {
	t.Parallel()
	each(t, nil, func(s *site) {
		for _, topic := range []string{"news", "news/sports", "a b/ü", "https://example.com/books/1", "x/", "100%", "a*b"} {
			s.post(topic, topic)
		}
		form := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
		for _, test := range []struct {
			r    request
			want []string
		}{
			{request{path: "/events/news/sports?last=9"}, []string{"news/sports"}},
			{request{path: "/events/news/**?last=9"}, []string{"news", "news/sports"}},
			{request{path: "/events/a%20b/%C3%BC?last=9"}, []string{"a b/ü"}},
			{request{path: "/events/100%25?last=9"}, []string{"100%"}},
			{request{path: "/events?last=9&topic=https://example.com/books/1"}, []string{"https://example.com/books/1"}},
			{request{path: "/events?last=9&topic=https://example.com/**"}, []string{"https://example.com/books/1"}},
			{request{path: "/events?last=9&topic=x/"}, []string{"x/"}},
			{request{path: "/events?last=9&exact=a*b&topic=news"}, []string{"news", "a*b"}},
			{request{path: "/events/news?last=9&topic=x/"}, []string{"news", "x/"}},
			{request{path: "/events?last=2"}, []string{"100%", "a*b"}},
			{request{method: "QUERY", path: "/events", body: "last=9&topic=news&topic=x/", header: form}, []string{"news", "x/"}},
			{request{method: "QUERY", path: "/events/news?last=9", body: "topic=x/", header: form}, []string{"news", "x/"}},
		} {
			if strings.Contains(test.r.path, "?") {
				test.r.path += "&poll=1"
			} else {
				test.r.path += "?poll=1"
			}
			a := s.send(test.r)
			var got []string
			for line := range strings.Lines(a.body) {
				if data, ok := strings.CutPrefix(strings.TrimSpace(line), "data: "); ok && data != "{}" {
					got = append(got, data)
				}
			}
			if a.status != http.StatusOK || fmt.Sprint(got) != fmt.Sprint(test.want) {
				s.Errorf("%s %s: %d, %q, want %q", test.r.method, test.r.path, a.status, got, test.want)
			}
		}
	})
}

// TestSubscriptionWithoutTopicsGetsAllGrantedTopics and no others.
func TestSubscriptionWithoutTopicsGetsAllGrantedTopics(t *testing.T) {
	t.Parallel()
	grant := access.Grant{
		Subscribe: []eventlog.Matcher{eventlog.MustPattern("news/**"), eventlog.MustPattern("weather")},
		Publish:   []eventlog.Matcher{eventlog.MustPattern("news/sports")},
	}
	o := &hub.Options{Authorize: func(r *http.Request) (access.Grant, error) {
		switch r.Header.Get("Authorization") {
		case "":
			return access.Grant{}, nil
		case "Bearer good":
			return grant, nil
		}
		return access.Grant{}, errors.New("wrong token")
	}}
	each(t, o, func(s *site) {
		s.hubPublish(hub.Event{Topics: []string{"news"}, Data: "1"}, hub.Event{Topics: []string{"secret"}, Data: "2"}, hub.Event{Topics: []string{"weather"}, Data: "3"})
		good := map[string]string{"Authorization": "Bearer good"}
		s.follow("/events?since=earliest", good).want("1", "3")
		for _, test := range []struct {
			r    request
			want int
		}{
			{request{path: "/events/news/sports", header: good, body: "x"}, 200},
			{request{path: "/events/news", header: good, body: "x"}, 403},
			{request{path: "/events", header: map[string]string{"Authorization": "Bearer good", "Content-Type": "application/x-ndjson"}, body: "{\"topic\":\"news\",\"data\":1}\n"}, 403},
			{request{path: "/events/secret", header: good}, 403},
			{request{path: "/events/*", header: good}, 403},
			{request{path: "/events/news/*?poll=1", header: good}, 200},
			{request{path: "/events/news"}, 401},
			{request{path: "/events"}, 401},
			{request{path: "/events/news", header: map[string]string{"Authorization": "Bearer bad"}}, 401},
			{request{path: "/events/news", header: map[string]string{"Authorization": "Bearer bad"}, body: "x"}, 401},
		} {
			a := s.send(test.r)
			if a.status != test.want || test.want > 400 && a.header.Get("WWW-Authenticate") == "" {
				s.Errorf("%+v: %+v, want %d", test.r, a, test.want)
			}
		}
		a := s.send(request{path: "/api/v1/topics", header: good})
		if strings.Contains(a.body, "secret") || !strings.Contains(a.body, "weather") {
			s.Errorf("the list of topics is %s", a.body)
		}
	})
}

// TestUnavailableAuthorizationRefusesTemporarily: if a program's account service is down, an EventSource that reconnects gets tidings.retry.
// After a 503 it would give up.
func TestUnavailableAuthorizationRefusesTemporarily(t *testing.T) {
	t.Parallel()
	o := &hub.Options{Authorize: func(*http.Request) (access.Grant, error) {
		return access.Grant{}, &hub.Problem{Name: "unavailable", Status: http.StatusServiceUnavailable, Detail: "no accounts", RetryAfter: time.Second}
	}}
	each(t, o, func(s *site) {
		for _, header := range []map[string]string{{"Sec-Fetch-Mode": "cors"}, lastID(s.log.Head())} {
			a := s.send(request{path: "/events/news", header: header})
			if a.status != http.StatusOK || !tellsRetry.MatchString(a.body) {
				s.Errorf("a request with %v gets %+v", header, a)
			}
		}
		for _, r := range []request{{path: "/events/news"}, {path: "/events/news", body: "x"}} {
			if a := s.send(r); a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" {
				s.Errorf("others get %+v", a)
			}
		}
	})
}

// TestPagesOfAllowedOriginsMayUseTheHub: pages of other origins may not publish.
func TestPagesOfAllowedOriginsMayUseTheHub(t *testing.T) {
	t.Parallel()
	each(t, &hub.Options{AllowOrigins: []string{"https://app.example"}}, func(s *site) {
		own := strings.Replace(s.url, "127.0.0.1", "127.0.0.1", 1)
		for _, test := range []struct {
			origin, site string
			publish      int
			allow        string
		}{
			{"", "", 200, ""},
			{"https://app.example", "cross-site", 200, "https://app.example"},
			{"https://evil.example", "cross-site", 403, ""},
			{"", "cross-site", 403, ""},
			{"null", "", 403, ""},
			{own, "same-origin", 200, ""},
		} {
			header := map[string]string{}
			if test.origin != "" {
				header["Origin"] = test.origin
			}
			if test.site != "" {
				header["Sec-Fetch-Site"] = test.site
			}
			a := s.send(request{path: "/events/news", body: "x", header: header})
			if a.status != test.publish || a.header.Get("Access-Control-Allow-Origin") != test.allow {
				s.Errorf("%+v: publishing gives %d, %v", test, a.status, a.header)
			}
			header["Access-Control-Request-Method"] = "POST"
			a = s.send(request{method: http.MethodOptions, path: "/events/news", header: header})
			if a.status != http.StatusNoContent || a.header.Get("Access-Control-Allow-Origin") != test.allow ||
				(a.header.Get("Access-Control-Allow-Methods") != "") != (test.allow != "") {
				s.Errorf("%+v: preflight gives %d, %v", test, a.status, a.header)
			}
			if !strings.Contains(a.header.Get("Vary"), "Origin") {
				s.Errorf("Vary: %q", a.header.Get("Vary"))
			}
			delete(header, "Access-Control-Request-Method")
			a = s.send(request{path: "/events/news?poll=1", header: header})
			if a.status != http.StatusOK || a.header.Get("Access-Control-Allow-Origin") != test.allow ||
				(a.header.Get("Access-Control-Allow-Credentials") == "true") != (test.allow != "") {
				s.Errorf("%+v: following gives %d, %v", test, a.status, a.header)
			}
		}
	})
}

// TestSilentStreamsGetHeartbeats: heartbeats claim no position that the stream has not reached.
func TestSilentStreamsGetHeartbeats(t *testing.T) {
	t.Parallel()
	each(t, &hub.Options{Heartbeat: 5 * time.Millisecond}, func(s *site) {
		resp := s.openUnread("/events/news", nil)
		buf, text := make([]byte, 1000), ""
		for strings.Count(text, ":\n") < 3 { // no other line ends with a colon
			n, err := resp.Body.Read(buf)
			if err != nil {
				s.Fatal(err)
			}
			text += string(buf[:n])
		}
		if n := strings.Count(text, "id: "); n != 1 {
			s.Errorf("the stream has %d positions:\n%s", n, text)
		}
	})
}

// TestShutdownGivesStreamsAReconnectionTime: streams get all stored events, the time, and a clean end. New streams get only the time.
func TestShutdownGivesStreamsAReconnectionTime(t *testing.T) {
	t.Parallel()
	each(t, nil, func(s *site) {
		resp := s.openUnread("/events/news", nil)
		f := s.follow("/events/news", nil)
		f.next()
		s.post("news", "last words")
		ctx, cancel := context.WithTimeout(s.Context(), patience)
		defer cancel()
		if err := s.hub.Shutdown(ctx); err != nil {
			s.Errorf("Shutdown: %v", err)
		}
		f.want("last words")
		f.end()
		text := readAll(s, resp)
		if strings.Count(text, "retry: ") != 2 || !strings.Contains(text, "data: last words\n") {
			s.Errorf("a stream of a hub that stops is %q", text)
		}
		browser := s.send(request{path: "/events/news", header: map[string]string{"Sec-Fetch-Mode": "cors"}})
		if browser.status != http.StatusOK || !tellsRetry.MatchString(browser.body) ||
			!strings.Contains(browser.body, "urn:tidings:problem:draining") || strings.Contains(browser.body, "id:") {
			s.Errorf("a browser gets %+v", browser)
		}
		if a := s.send(request{path: "/events/news", header: lastID(s.log.Head())}); a.status != http.StatusOK {
			s.Errorf("a request with a position gets %+v", a)
		}
		a := s.send(request{path: "/events/news"})
		if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" || a.header.Get("Content-Type") != "application/problem+json" {
			s.Errorf("others get %+v", a)
		}
	})
}

// TestShutdownDeliversStoredEvents: a program ends a topic and shuts down its hub at once. The publisher may have its answer before the hub
// has read the event from the log. Drain waits for it, so streams get the end of the topic.
func TestShutdownDeliversStoredEvents(t *testing.T) {
	t.Parallel()
	for _, how := range transports {
		t.Run(how.name, func(t *testing.T) {
			t.Parallel()
			log := &held{Log: mustMemory(t, nil)}
			s := serve(t, log, nil, how)
			f := s.follow("/events/news", nil)
			f.next()
			log.reads.Lock()
			s.hubPublish(hub.Event{Topics: []string{"news"}, Data: "last words"})
			stopped := make(chan error, 1)
			go func() { stopped <- s.hub.Shutdown(s.Context()) }()
			for s.send(request{path: "/events/other?poll=1"}).status != http.StatusServiceUnavailable {
				continue // the stream has not begun yet
			}
			log.reads.Unlock()
			f.want("last words")
			f.end()
			if err := <-stopped; err != nil {
				t.Error(err)
			}
		})
	}
}

// held is a log whose tail reads wait for a lock. A tail read selects all topics.
type held struct {
	eventlog.Log
	reads sync.RWMutex
}

func (h *held) Read(ctx context.Context, q eventlog.Query) (eventlog.Answer, error) {
	if len(q.Selector.Names()) == 0 {
		h.reads.RLock()
		defer h.reads.RUnlock()
	}
	return h.Log.Read(ctx, q)
}

func readAll(s *site, resp *http.Response) string {
	s.Helper()
	var text strings.Builder
	buf := make([]byte, 4096)
	for {
		n, err := resp.Body.Read(buf)
		text.Write(buf[:n])
		if err != nil {
			return text.String()
		}
	}
}

// TestUnavailableLogRefusesPublishersOnly: subscribers still get the stored events.
func TestUnavailableLogRefusesPublishersOnly(t *testing.T) {
	t.Parallel()
	each(t, nil, func(s *site) {
		broken := &refusing{Log: s.log}
		h := mustHub(s.T, broken, nil)
		defer func() { _ = h.Shutdown(s.Context()) }()
		_, err := h.Publish(s.Context(), hub.Event{Topics: []string{"a"}, Data: "1"})
		if !errors.Is(err, eventlog.ErrUnavailable) {
			s.Errorf("Publish returns %v", err)
		}
	})
	s := serve(t, &refusing{Log: mustMemory(t, nil)}, nil, transports[0])
	a := s.send(request{path: "/events/news", body: "x"})
	if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" || !strings.Contains(a.body, "the disk is full") {
		t.Errorf("%+v", a)
	}
	if a := s.send(request{path: "/events/news?poll=1"}); a.status != http.StatusOK {
		t.Errorf("%+v", a)
	}
}

// refusing is a log that refuses all records.
type refusing struct{ eventlog.Log }

func (*refusing) Append(context.Context, []eventlog.Record) ([]eventlog.Receipt, error) {
	return nil, &eventlog.UnavailableError{Reason: "the disk is full; make room"}
}

// TestTopicsAreListed: the list comes in pages.
func TestTopicsAreListed(t *testing.T) {
	t.Parallel()
	for _, log := range []eventlog.Log{mustMemory(t, nil), mustDisk(t, nil)} {
		s := serve(t, log, nil, transports[0])
		for i := range 25 {
			s.post(fmt.Sprintf("t/%02d", i), "x")
			s.post("u", "x")
		}
		s.hubPublish(hub.Event{Topics: []string{"t/03"}, End: true})
		var names []string
		after := ""
		for {
			a := s.send(request{path: "/api/v1/topics?pattern=t/**&limit=10&after=" + url.QueryEscape(after)})
			var page struct {
				Topics []struct {
					Topic, Last string
					Events      int
					Ended       bool
				}
				Next string
			}
			if err := json.Unmarshal([]byte(a.body), &page); err != nil || a.status != http.StatusOK {
				t.Fatalf("%+v: %v", a, err)
			}
			for _, topic := range page.Topics {
				names = append(names, topic.Topic)
				if ended := topic.Topic == "t/03"; topic.Ended != ended || ended && (topic.Events != 2 || topic.Last != log.Head().String()) {
					t.Errorf("%+v", topic)
				}
			}
			if after = page.Next; after == "" {
				break
			}
		}
		if len(names) != 25 || names[0] != "t/00" || names[24] != "t/24" {
			t.Errorf("%q", names)
		}
	}
}

// TestInterestIsEmptyAfterAllDisconnect: the index of subscriptions keeps no entries.
func TestInterestIsEmptyAfterAllDisconnect(t *testing.T) {
	t.Parallel()
	each(t, nil, func(s *site) {
		var followers []*follower
		for i := range 20 {
			f := s.follow([]string{"/events", "/events/a/*/b", "/events?topic=a&topic=b", "/events/a/**"}[i%4], nil)
			f.next()
			followers = append(followers, f)
		}
		if n := s.hub.Streams(); n != 20 {
			s.Errorf("there are %d subscribers, want 20", n)
		}
		for _, f := range followers {
			f.close()
		}
		for deadline := time.Now().Add(patience); s.hub.Streams() > 0 || s.hub.Wanted() > 0; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				s.Fatalf("%d subscribers are left, and %d wishes", s.hub.Streams(), s.hub.Wanted())
			}
		}
	})
}
