package hub_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/hub"
)

// metricsOf returns the metrics of a hub as lines.
func (k *keyed) metricsOf() string {
	k.Helper()
	a := k.send(request{path: "/metrics", header: bearer(k.token(all("boss")))})
	if a.status != http.StatusOK || !strings.HasPrefix(a.header.Get("Content-Type"), "text/plain") {
		k.Fatalf("%+v", a)
	}
	return a.body
}

// awaitMetrics waits until the metrics contain lines.
func (k *keyed) awaitMetrics(lines ...string) {
	k.Helper()
	var body string
	missing := func(line string) bool { return !strings.Contains("\n"+body, "\n"+line+"\n") }
	for tries := 0; ; tries++ {
		body = k.metricsOf()
		i := slices.IndexFunc(lines, missing)
		if i < 0 {
			return
		}
		if tries == 200 {
			k.Fatalf("the metrics lack %s:\n%s", lines[i], body)
		}
	}
}

// TestMetricsAnswerOnCallQuestions: how many subscribers, how many events, how far behind, why refused, why disconnected.
func TestMetricsAnswerOnCallQuestions(t *testing.T) {
	t.Parallel()
	for _, how := range transports {
		t.Run(how.name, func(t *testing.T) {
			t.Parallel()
			k := serveKeyed(t, mustMemory(t, nil), hub.Options{}, how)
			ann := bearer(k.token(all("ann")))
			plain := k.follow("/events/news", ann)
			kind, other := "goroutine", "direct"
			if how.direct() {
				kind, other = other, kind
			}
			lines := map[string]string{"Authorization": ann["Authorization"], "Accept": "application/x-ndjson"}
			second, err := k.do(t.Context(), request{path: "/events/**", header: lines})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = second.Body.Close() }()
			k.awaitMetrics(
				fmt.Sprintf(`tidings_streams{form="sse",kind="%s"} 1`, kind), fmt.Sprintf(`tidings_streams{form="ndjson",kind="%s"} 1`, kind),
				fmt.Sprintf(`tidings_streams{form="sse",kind="%s"} 0`, other), `tidings_streams_opened_total 2`, `tidings_ready 1`,
				`tidings_streams_behind{stage="stalled"} 0`,
			)
			key := map[string]string{"Authorization": ann["Authorization"], "Idempotency-Key": "k"}
			for range 2 {
				k.send(request{path: "/events/news", body: "hello", header: key})
			}
			plain.want("hello")
			k.send(request{path: "/events/news"})
			k.send(request{path: "/nothing"})
			k.send(request{path: "/events/news", header: bearer("garbage")})
			plain.close()
			k.awaitMetrics(
				`tidings_events_stored_total 1`, `tidings_events_duplicate_total 1`, `tidings_events_delivered_total 2`, `tidings_log_head 1`,
				`tidings_window_events 1`, `tidings_log_unseen_events 0`, `tidings_requests_refused_total{problem="not-found"} 1`,
				`tidings_requests_refused_total{problem="unauthorized"} 2`, `tidings_tokens_refused_total{reason="malformed"} 1`,
				`tidings_streams_closed_total{reason="gone"} 1`, `tidings_streams_closed_total{reason="revoked"} 0`, `tidings_delivery_seconds_count 2`,
			)
		})
	}
}

// TestOperationsPageListsAllMetrics: docs/operations.md names exactly the metrics and routes that exist.
func TestOperationsPageListsAllMetrics(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	log := memberLog{mustMemory(t, nil), &channel{listeners: make(map[int]func([]byte))}} // there are metrics of clusters, too
	certificates := func() []hub.Certificate { return []hub.Certificate{{Name: "hub.example.com", NotAfter: time.Now()}} }
	k := serveKeyed(t, log, hub.Options{Cluster: &hub.ClusterOptions{Name: "a"}, Certificates: certificates}, transports[0])
	there := names(`(?m)^# TYPE (tidings_\w+) `, k.metricsOf())
	told := names("`(tidings_\\w+)`", string(page))
	if !slices.Equal(there, told) {
		t.Errorf("the hub has %q, and the page has %q", there, told)
	}
	routes := names("(?m)^\\| `[A-Z]+ (/[a-z0-9/.]+?)(?:NAME|ID)?` ", string(page))
	var want []string
	for path := range hub.Routes() {
		if !strings.HasPrefix(path, "/events") && path != "/api/v1/topics" {
			want = append(want, path)
		}
	}
	if slices.Sort(want); !slices.Equal(routes, want) {
		t.Errorf("the hub has %q, and the page has %q", want, routes)
	}
}

func names(pattern, text string) (all []string) {
	for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		all = append(all, match[1])
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// TestTwoHubsInOneProcessDoNotShareMetrics: each hub has its own registry.
func TestTwoHubsInOneProcessDoNotShareMetrics(t *testing.T) {
	t.Parallel()
	first, second := serveKeyed(t, mustMemory(t, nil), hub.Options{}, transports[0]), serveKeyed(t, mustMemory(t, nil), hub.Options{}, transports[0])
	first.hubPublish(hub.Event{Topics: []string{"news"}})
	first.awaitMetrics(`tidings_events_stored_total 1`)
	second.awaitMetrics(`tidings_events_stored_total 0`)
}

// TestClientsCannotChooseMetricLabels: a monitoring system keeps a series for each value of a label.
func TestClientsCannotChooseMetricLabels(t *testing.T) {
	t.Parallel()
	o := hub.Options{}
	signer := mustSigner(t)
	policy := policyOf(signer)
	o.Authorize = func(r *http.Request) (access.Grant, error) {
		if name := r.Header.Get("X-Problem"); name != "" {
			return access.Grant{}, &hub.Problem{Name: name, Status: 401, Detail: "x", Err: &access.Refusal{Reason: access.Reason(name)}}
		}
		return policy(r)
	}
	k := serveKeyed(t, mustMemory(t, nil), o, transports[0])
	k.follow("/events/a-topic-of-mine", bearer(k.token(all("a-subject-of-mine"))))
	before := strings.Count(k.metricsOf(), "\ntidings_")
	for i := range 20 {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, k.url+"/events/news", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Problem", fmt.Sprint("mine-", i))
		answer, err := http.DefaultClient.Do(r) // the site's client accepts only problems of the contract
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		k.send(request{path: fmt.Sprint("/nothing/mine-", i)})
	}
	body := k.metricsOf()
	if after := strings.Count(body, "\ntidings_"); after != before || strings.Contains(body, "mine") {
		t.Errorf("%d series became %d:\n%s", before, after, body)
	}
	if !strings.Contains(body, `tidings_requests_refused_total{problem="other"} 20`) {
		t.Error("the problems of an embedder are not counted")
	}
}

// TestAHubWithoutMetricsSaysHowToGetThem: a program links a library for metrics only if it needs it.
func TestAHubWithoutMetricsSaysHowToGetThem(t *testing.T) {
	t.Parallel()
	h, err := hub.New(mustMemory(t, nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	if h.ServeHTTP(w, r); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "Options.Metrics") {
		t.Error(w.Code, w.Body)
	}
	if err := h.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestProgramReadsStatisticsOfItsHub: it needs no HTTP.
func TestProgramReadsStatisticsOfItsHub(t *testing.T) {
	t.Parallel()
	s := serve(t, mustMemory(t, nil), nil, transports[0])
	s.follow("/events/news", nil)
	s.post("news", "x")
	await(t, "the stream is listed", func() bool { return s.hub.Adopted() == 1 })
	all, err := s.hub.Subscribers(t.Context())
	if err != nil || len(all) != 1 || !slices.Equal(all[0].Topics, []string{"news"}) {
		t.Errorf("%+v, %v", all, err)
	}
	stats, err := s.hub.Stats(t.Context())
	if err != nil || !stats.Ready || stats.Streams.Opened != 1 || stats.Log.Events != 1 {
		t.Errorf("%+v, %v", stats, err)
	}
	unopened, err := hub.Prepare(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := unopened.Stats(t.Context()); err == nil {
		t.Error("a hub without a log has statistics")
	}
	if _, err := unopened.Subscribers(t.Context()); err == nil {
		t.Error("a hub without a log has subscribers")
	}
}
