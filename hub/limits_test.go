package hub_test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
)

// TestEveryLimitHasItsAnswer: the refusal has a status, a problem, a metric, and Retry-After where waiting helps. It has no WWW-Authenticate,
// because another token would not help. Open streams stay open. The time limit for a header is the server's: see TestSlowlorisHeaderIsCutOff.
func TestEveryLimitHasItsAnswer(t *testing.T) {
	t.Parallel()
	const later = true
	lines := map[string]string{"Content-Type": "application/x-ndjson"}
	frames := map[string]string{"Content-Type": "text/event-stream"}
	form := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	once := request{path: "/events/news", body: "x"}
	limit := func(name string) string { return fmt.Sprintf("limits_reached_total{limit=%q} 1", name) }
	slow := hub.Rate{PerSecond: 0.01, Burst: 2}
	for name, test := range map[string]struct {
		options hub.Options
		before  []request // requests that succeed first
		streams int       // open streams
		request request
		status  int
		problem string
		metric  string // a metric besides the one of the problem
		later   bool
	}{
		"connections":               {hub.Options{MaxConnections: 2}, nil, 2, request{path: "/events/news"}, 503, "full", limit("connections"), later},
		"connections, polls too":    {hub.Options{MaxConnections: 2}, nil, 2, request{path: "/events/news?poll=1"}, 503, "full", limit("connections"), later},
		"connections, bodies too":   {hub.Options{MaxConnections: 2}, nil, 2, request{path: "/events/news", body: `{"data":1}`, header: lines}, 503, "full", limit("connections"), later},
		"per address":               {hub.Options{MaxPerAddress: 2}, nil, 2, request{path: "/events/news"}, 429, "too-many-streams", limit("connections_per_address"), later},
		"per address, bodies too":   {hub.Options{MaxPerAddress: 2}, nil, 2, request{path: "/events/news", body: "data: x\n\n", header: frames}, 429, "too-many-streams", limit("connections_per_address"), later},
		"per token":                 {hub.Options{MaxPerToken: 2}, nil, 2, request{path: "/events/news"}, 429, "too-many-streams", limit("connections_per_token"), later},
		"per token, bodies too":     {hub.Options{MaxPerToken: 2}, nil, 2, request{path: "/events/news", body: `{"data":1}`, header: lines}, 429, "too-many-streams", limit("connections_per_token"), later},
		"rate per address":          {hub.Options{PublishPerAddress: slow}, []request{once, once}, 0, once, 429, "too-fast", limit("publish_per_address"), later},
		"rate per address, lines":   {hub.Options{PublishPerAddress: slow}, nil, 0, request{path: "/events/news", body: strings.Repeat(`{"data":1}`+"\n", 3), header: lines}, 429, "too-fast", limit("publish_per_address"), later},
		"rate per token":            {hub.Options{PublishPerToken: slow}, []request{once, once}, 0, once, 429, "too-fast", limit("publish_per_token"), later},
		"rate per token, lines":     {hub.Options{PublishPerToken: slow}, nil, 0, request{path: "/events/news", body: strings.Repeat(`{"data":1}`+"\n", 3), header: lines}, 429, "too-fast", limit("publish_per_token"), later},
		"rate per token, frames":    {hub.Options{PublishPerToken: slow}, nil, 0, request{path: "/events/news", body: strings.Repeat("data: x\n\n", 3), header: frames}, 429, "too-fast", limit("publish_per_token"), later},
		"a bad line, before a rate": {hub.Options{PublishPerToken: slow}, nil, 0, request{path: "/events/news", body: "1\n2\n3\n", header: lines}, 400, "invalid-event", "", false},
		"event size":                {hub.Options{MaxEvent: 10}, nil, 0, request{path: "/events/news", body: "more than ten"}, 413, "too-large", "", false},
		"event size, base64":        {hub.Options{MaxEvent: 10}, nil, 0, request{path: "/events/news?encoding=base64", body: "bW9yZSB0aGFuIHRlbg=="}, 413, "too-large", "", false},
		"event size, lines":         {hub.Options{MaxEvent: 10}, nil, 0, request{path: "/events/news", body: `{"data":"more than ten"}`, header: lines}, 413, "too-large", "", false},
		"event size, frames":        {hub.Options{MaxEvent: 10}, nil, 0, request{path: "/events/news", body: "data: more than ten\n\n", header: frames}, 413, "too-large", "", false},
		"topics":                    {hub.Options{MaxTopics: 2}, nil, 0, request{path: "/events?topic=a&topic=b&topic=c"}, 400, "too-many-topics", "", false},
		"patterns":                  {hub.Options{MaxTopics: 2}, nil, 0, request{path: "/events?topic=a/*&topic=b/*&topic=**"}, 400, "too-many-topics", "", false},
		"topics and patterns":       {hub.Options{MaxTopics: 2}, nil, 0, request{path: "/events/a?topic=b/**&exact=c*"}, 400, "too-many-topics", "", false},
		"topics, in a form":         {hub.Options{MaxTopics: 2}, nil, 0, request{method: "QUERY", path: "/events", body: "topic=a&topic=b&topic=c", header: form}, 400, "too-many-topics", "", false},
		"topics, of an event":       {hub.Options{}, nil, 0, request{path: "/events?" + strings.Repeat("topic=a&", eventlog.MaxTopics) + "topic=b", body: "x"}, 400, "too-many-topics", "", false},
		"the timeout of a body":     {hub.Options{BodyTimeout: 50 * time.Millisecond}, nil, 0, request{path: "/events/news", reader: bodyThatNeverArrives(t)}, 408, "timeout", "", false},
		"the timeout of a form":     {hub.Options{BodyTimeout: 50 * time.Millisecond}, nil, 0, request{method: "QUERY", path: "/events", reader: bodyThatNeverArrives(t), header: form}, 408, "timeout", "", false},
		"the size of a form":        {hub.Options{}, nil, 0, request{method: "QUERY", path: "/events", body: "topic=" + strings.Repeat("x", 8<<20), header: form}, 413, "too-large", "", false},
		"the size of a revocation":  {hub.Options{}, nil, 0, request{path: "/api/v1/revoke", body: strings.Repeat(" ", 5000)}, 413, "too-large", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := serveKeyed(t, mustMemory(t, nil), test.options, transports[0])
			header := bearer(k.token(all("ann")))
			var open []*follower
			for range test.streams {
				open = append(open, k.follow("/events/news", header))
			}
			for _, r := range test.before {
				r.header = header
				if a := k.send(r); a.status != http.StatusOK {
					t.Fatalf("%+v", a)
				}
			}
			r := test.request
			r.header = map[string]string{"Authorization": header["Authorization"]}
			maps.Copy(r.header, test.request.header)
			a := k.send(r)
			p := refused(t, name, a, test.status, test.problem, "")
			if test.later != (a.header.Get("Retry-After") != "") {
				t.Errorf("Retry-After: %q in %+v", a.header.Get("Retry-After"), p)
			}
			if ask := a.header.Get("WWW-Authenticate"); ask != "" {
				t.Errorf("WWW-Authenticate: %s", ask)
			}
			metrics := k.send(request{path: "/metrics", header: header}).body
			for _, want := range []string{fmt.Sprintf("requests_refused_total{problem=%q} 1", test.problem), test.metric} {
				if !strings.Contains(metrics, want+"\n") {
					t.Errorf("the metrics lack %s", want)
				}
			}
			k.hubPublish(hub.Event{Topics: []string{"news"}, Data: "goes on"})
			for _, f := range open {
				f.want("goes on")
			}
		})
	}
}

// bodyThatNeverArrives returns a body that never arrives.
func bodyThatNeverArrives(t *testing.T) io.Reader {
	r, w := io.Pipe()
	t.Cleanup(func() { _ = w.Close() }) // never fails
	return r
}

// TestTemporaryRefusalHasARetryTime: browsers and resuming clients get it in a stream, other clients as Retry-After.
func TestTemporaryRefusalHasARetryTime(t *testing.T) {
	t.Parallel()
	for _, how := range transports {
		t.Run(how.name, func(t *testing.T) {
			t.Parallel()
			k := serveKeyed(t, mustMemory(t, nil), hub.Options{MaxPerToken: 1}, how)
			header := bearer(k.token(all("ann")))
			first := k.follow("/events/news", header)
			first.want("tidings.checkpoint:{}")
			for _, field := range []string{"Sec-Fetch-Mode", "Last-Event-ID"} {
				again := map[string]string{"Authorization": header["Authorization"], field: "cors"}
				a := k.send(request{path: "/events/news", header: again})
				if a.status != http.StatusOK || !tellsRetry.MatchString(a.body) || !strings.Contains(a.body, "too-many-streams") {
					t.Errorf("%s: %+v", field, a)
				}
			}
			first.close()
			await(t, "the stream has ended", func() bool { return k.hub.Streams() == 0 })
			k.follow("/events/news", header).want("tidings.checkpoint:{}")
		})
	}
}

// TestRefusalHasARetryTimeInEveryFormat: NDJSON has no retry field, so the data has the time.
func TestRefusalHasARetryTimeInEveryFormat(t *testing.T) {
	t.Parallel()
	s := serve(t, mustMemory(t, nil), &hub.Options{MaxConnections: 1}, transports[0])
	s.follow("/events/news", nil)
	tells := regexp.MustCompile(`\\?"retry\\?":([0-9]+)`)
	for _, accept := range []string{"text/event-stream", "application/x-ndjson"} {
		for _, query := range []string{"", "?format=envelope"} {
			a := s.send(request{path: "/events/news" + query, header: map[string]string{"Accept": accept, "Last-Event-ID": "x"}})
			got := tells.FindStringSubmatch(a.body)
			if a.status != http.StatusOK || got == nil {
				t.Errorf("%s%s: %+v", accept, query, a)
				continue
			}
			if ms, _ := strconv.Atoi(got[1]); ms < 5000 || ms > 10_000 {
				t.Errorf("%s%s: come back in %d ms, want 5000 to 10000", accept, query, ms)
			}
			if field := "retry: " + got[1] + "\n"; accept == "text/event-stream" && !strings.Contains(a.body, field) {
				t.Errorf("%s%s: %q lacks the field %q", accept, query, a.body, field)
			}
		}
	}
}

// TestHubClosesConnectionOfARefusedSubscriber: an idle connection would take a place for minutes. A publisher over its rate keeps its
// connection, because it tries again in a moment.
func TestHubClosesConnectionOfARefusedSubscriber(t *testing.T) {
	t.Parallel()
	follow, publish := request{path: "/events/news"}, request{path: "/events/news", body: "x"}
	for name, test := range map[string]struct {
		options hub.Options
		taken   request // uses up the limit
		request request
		drain   bool
		closes  bool
	}{
		"full":             {hub.Options{MaxConnections: 1}, follow, follow, false, true},
		"too many streams": {hub.Options{MaxPerAddress: 1}, follow, follow, false, true},
		"draining":         {hub.Options{}, publish, follow, true, true},
		"too fast":         {hub.Options{PublishPerAddress: hub.Rate{PerSecond: 0.01, Burst: 1}}, publish, publish, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, mustMemory(t, nil), &test.options, transports[0])
			if test.taken.body == "" {
				s.follow("/events/news", nil)
			} else {
				s.send(test.taken)
			}
			if test.drain {
				if err := s.hub.Shutdown(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			a, err := s.do(t.Context(), test.request)
			if err != nil {
				t.Fatal(err)
			}
			defer a.Body.Close()
			if a.Header.Get("Retry-After") == "" || a.Close != test.closes {
				t.Errorf("%d, header %v, the connection is closed: %t, want %t", a.StatusCode, a.Header, a.Close, test.closes)
			}
		})
	}
}

// TestConnectionsOfStreamsAreCountedUntilTheyAreClosed: a server stops counting connections that the hub has hijacked.
func TestConnectionsOfStreamsAreCountedUntilTheyAreClosed(t *testing.T) {
	t.Parallel()
	for _, how := range transports {
		t.Run(how.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, mustMemory(t, nil), nil, how)
			f := s.follow("/events/news", nil)
			f.want("tidings.checkpoint:{}")
			want := 0
			if runtime.GOOS == "linux" && !how.h2 && !how.kept {
				want = 1
			}
			if got := s.hub.TakenOver(); got != want {
				t.Errorf("%d connections are taken over by one stream, want %d", got, want)
			}
			f.close()
			await(t, "all streams have ended and given up their connections", func() bool { return s.hub.Streams() == 0 && s.hub.TakenOver() == 0 })
		})
	}
}

// TestTokensWithoutSubjectAndIDAreCountedSeparately: each such token has its own limit.
func TestTokensWithoutSubjectAndIDAreCountedSeparately(t *testing.T) {
	t.Parallel()
	s := serve(t, mustMemory(t, nil), &hub.Options{MaxPerToken: 1, Authorize: func(r *http.Request) (access.Grant, error) {
		g := access.Everything()
		g.Credential = uint64(len(r.Header.Get("X-Token")))
		return g, nil
	}}, transports[0])
	for _, token := range []string{"one", "another"} {
		header := map[string]string{"X-Token": token}
		s.follow("/events/news", header).want("tidings.checkpoint:{}")
		refused(t, token, s.send(request{path: "/events/news", header: header}), http.StatusTooManyRequests, "too-many-streams", "token")
	}
}

// TestEndedStreamsFreeTheirPlace: exactly once, for each way to end.
func TestEndedStreamsFreeTheirPlace(t *testing.T) {
	t.Parallel()
	each(t, &hub.Options{MaxConnections: 1, MaxPerAddress: 1}, func(s *site) {
		s.hubPublish(hub.Event{Topics: []string{"over"}, End: true})
		for _, r := range []request{
			{path: "/events/news?poll=1"},
			{path: "/events/over"}, // 204
			{path: "/events/over?since=earliest"},
			{path: "/events/news?on_gap=fail", header: map[string]string{"Last-Event-ID": "zzzzz-1"}}, // 410
			{path: "/events/news", body: "x\n", header: map[string]string{"Content-Type": "application/x-ndjson"}},
			{path: "/events/news", body: "data: x\n\n", header: map[string]string{"Content-Type": "text/event-stream"}},
			{method: http.MethodHead, path: "/events/news"},
		} {
			s.send(r)
			f := s.follow("/events/news", nil)
			f.want("tidings.checkpoint:{}")
			f.close()
			await(s.T, "the stream has ended", func() bool { return s.hub.Streams() == 0 })
		}
	})
}

// TestRateRefillsOverTime: each publisher has its own bucket.
func TestRateRefillsOverTime(t *testing.T) {
	t.Parallel()
	b, now := hub.NewBuckets(hub.Rate{PerSecond: 10, Burst: 5}), time.Unix(1000, 0)
	for _, step := range []struct {
		after  time.Duration
		who, n int
		taken  int
		wait   time.Duration
	}{
		{0, 1, 3, 3, 0},
		{0, 1, 3, 2, 100 * time.Millisecond},
		{0, 1, 1, 0, 100 * time.Millisecond},
		{0, 2, 5, 5, 0},
		{50 * time.Millisecond, 1, 1, 0, 50 * time.Millisecond},
		{50 * time.Millisecond, 1, 1, 1, 0},
		{time.Hour, 1, 100, 5, 100 * time.Millisecond}, // a bucket holds at most the burst
	} {
		now = now.Add(step.after)
		if taken, wait := b.Take(step.who, step.n, now); taken != step.taken || wait != step.wait {
			t.Errorf("%+v: %d, %v", step, taken, wait)
		}
	}
}

// TestManyAddressesDoNotFillTheMemory: with the maximum of buckets, new addresses share one, and others keep theirs.
func TestManyAddressesDoNotFillTheMemory(t *testing.T) {
	t.Parallel()
	b, now := hub.NewBuckets(hub.Rate{PerSecond: 1, Burst: 2}), time.Unix(1000, 0)
	for k := range hub.MaxBuckets {
		b.Take(k, 2, now)
	}
	if taken, _ := b.Take(-1, 2, now); taken != 2 {
		t.Errorf("the first address without a bucket gets %d", taken)
	}
	if taken, _ := b.Take(-2, 2, now); taken != 0 || b.Len() != hub.MaxBuckets {
		t.Errorf("the second gets %d, and there are %d buckets", taken, b.Len())
	}
	if taken, _ := b.Take(0, 2, now.Add(time.Second)); taken != 1 {
		t.Errorf("an address with a bucket gets %d", taken)
	}
	if b.Take(-3, 1, now.Add(time.Hour)); b.Len() != 1 {
		t.Errorf("after an hour there are %d buckets", b.Len())
	}
}

func TestInvalidOptionsAreRefused(t *testing.T) {
	t.Parallel()
	for _, o := range []hub.Options{
		{MaxConnections: -1},
		{MaxPerAddress: -1},
		{MaxPerToken: -1},
		{BodyTimeout: -1},
		{PublishPerToken: hub.Rate{PerSecond: -1}},
		{PublishPerAddress: hub.Rate{Burst: 1}},
		{PublishPerAddress: hub.Rate{PerSecond: 1, Burst: -1}},
	} {
		if _, err := hub.New(mustMemory(t, nil), &o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
}

// BenchmarkLimits measures the cost of all limits together for a request.
func BenchmarkLimits(b *testing.B) {
	log, err := eventlog.NewMemory(nil)
	if err != nil {
		b.Fatal(err)
	}
	fast := hub.Rate{PerSecond: 1e9, Burst: 1e9}
	h, err := hub.New(log, &hub.Options{MaxConnections: 1e6, MaxPerAddress: 1e6, MaxPerToken: 1e6, PublishPerAddress: fast, PublishPerToken: fast})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = h.Shutdown(b.Context()) }()
	r := httptest.NewRequest(http.MethodPost, "/events/news", nil)
	g := access.Everything()
	g.Subject = "ann"
	b.ReportAllocs()
	for b.Loop() {
		if err := h.Charge(r, &g); err != nil {
			b.Fatal(err)
		}
	}
}
