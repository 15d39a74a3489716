package hub_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
	"github.com/tidings-sse/tidings/hub/internal/peers"
	"github.com/tidings-sse/tidings/internal/cutproxy"
)

// channel carries the messages between the hubs of a test.
type channel struct {
	mu        sync.Mutex
	listeners map[int]func([]byte)
	next      int
}

func (c *channel) Broadcast(_ context.Context, data []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.listeners {
		f(data)
	}
	return nil
}

func (c *channel) Listen(f func([]byte)) (stop func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next++
	id := c.next
	c.listeners[id] = f
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.listeners, id)
	}, nil
}

// memberLog is a log of a cluster. The logs of these tests share only the channel, not their records.
type memberLog struct {
	*eventlog.Memory
	*channel
}

func (memberLog) Status() eventlog.SharedStatus {
	return eventlog.SharedStatus{Message: 7, Last: 9, Contact: time.Now()}
}

// member is a hub of a cluster with its server.
type member struct {
	*hub.Hub
	*httptest.Server
	t      *testing.T
	token  func(access.Grant) string
	shared *channel
}

var clusterKey = []byte("a key of a cluster in a test, long enough")

// cluster starts hubs with the names a, b, and so on.
func cluster(t *testing.T, count int, change func(*hub.ClusterOptions)) []*member {
	t.Helper()
	shared := &channel{listeners: make(map[int]func([]byte))}
	signer := mustSigner(t)
	var members []*member
	for i := range count {
		listener, err := cutproxy.Listen() // other hubs of the cluster know its address when it has stopped
		if err != nil {
			t.Fatal(err)
		}
		o := &hub.ClusterOptions{Name: string(rune('a' + i)), URL: "http://" + listener.Addr().String(), Key: clusterKey, Version: "v1"}
		o.Hubs = func() int { return count }
		if change != nil {
			change(o)
		}
		h := mustHub(t, memberLog{mustMemory(t, nil), shared}, &hub.Options{Authorize: policyOf(signer), Cluster: o})
		server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: h}}
		server.Start()
		m := &member{h, server, t, func(g access.Grant) string {
			token, err := signer.Mint(g)
			if err != nil {
				t.Fatal(err)
			}
			return token
		}, shared}
		t.Cleanup(m.stop)
		members = append(members, m)
	}
	for _, m := range members {
		m.awaitHubs(count)
	}
	return members
}

// stop stops the hub and its server. A second call does nothing.
func (m *member) stop() {
	if err := m.Shutdown(context.Background()); err != nil {
		m.t.Error(err)
	}
	m.Close()
}

// ask sends a request of an administrator, and returns the answer.
func (m *member) ask(method, target, body string) (status int, text string) {
	m.t.Helper()
	r, err := http.NewRequestWithContext(m.t.Context(), method, m.URL+target, strings.NewReader(body))
	if err != nil {
		m.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+m.token(all("boss")))
	return m.do(r)
}

func (m *member) do(r *http.Request) (status int, text string) {
	m.t.Helper()
	resp, err := m.Client().Do(r)
	if err != nil {
		m.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		m.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func (m *member) get(target string, into any) {
	m.t.Helper()
	status, text := m.ask(http.MethodGet, target, "")
	if err := json.Unmarshal([]byte(text), into); err != nil || status != http.StatusOK {
		m.t.Fatalf("%s answers %d: %s", target, status, text)
	}
}

// self returns the hub as it announces itself.
func (m *member) self() *peers.Hub {
	m.t.Helper()
	var status hub.ClusterStatus
	m.get("/api/v1/cluster", &status)
	return &status.Hubs[0]
}

func (m *member) hubs() (names []string) {
	m.t.Helper()
	var status struct {
		Name string
		Hubs []struct{ Name string }
	}
	m.get("/api/v1/cluster", &status)
	if len(status.Hubs) == 0 || status.Hubs[0].Name != status.Name {
		m.t.Fatalf("the first hub is not the one that answers: %+v", status)
	}
	for _, h := range status.Hubs {
		names = append(names, h.Name)
	}
	return names
}

func (m *member) awaitHubs(count int) {
	m.t.Helper()
	await(m.t, fmt.Sprint(count, " hubs"), func() bool { return len(m.hubs()) == count })
}

// stream opens a stream, and returns its body.
func (m *member) stream(topic string, g access.Grant) io.ReadCloser {
	m.t.Helper()
	r, err := http.NewRequestWithContext(m.t.Context(), http.MethodGet, m.URL+"/events/"+topic, http.NoBody)
	if err != nil {
		m.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+m.token(g))
	resp, err := m.Client().Do(r)
	if err != nil || resp.StatusCode != http.StatusOK {
		m.t.Fatal(err, resp)
	}
	m.t.Cleanup(func() { _ = resp.Body.Close() })
	return resp.Body
}

func TestHubsOfAClusterKnowEachOther(t *testing.T) {
	t.Parallel()
	members := cluster(t, 3, nil)
	if got := members[1].hubs(); !cmp.Equal(got, []string{"b", "a", "c"}) {
		t.Errorf("b knows %v", got)
	}
	var status hub.ClusterStatus
	members[0].get("/api/v1/cluster", &status)
	for _, h := range status.Hubs {
		if !h.Ready || h.Message != 7 || h.Last != 9 || h.Generation == "" || h.Version != "v1" || !strings.HasPrefix(h.URL, "http://127.") {
			t.Errorf("%+v", h)
		}
	}
	members[1].stop()
	members[0].awaitHubs(2)
}

func TestMetricsOfAHubInAClusterCountHubsAndLag(t *testing.T) {
	t.Parallel()
	m := cluster(t, 2, nil)[0]
	status, text := m.ask(http.MethodGet, "/metrics", "")
	for _, line := range []string{"tidings_cluster_hubs 2\n", "tidings_cluster_lag_messages 2\n", "tidings_cluster_contact_seconds "} {
		if !strings.Contains(text, "\n"+line) {
			t.Errorf("%d: the metrics lack %q", status, line)
		}
	}
}

func TestStatisticsOfAllHubsNameTheHubsThatAreMissing(t *testing.T) {
	t.Parallel()
	members := cluster(t, 3, nil)
	members[1].stream("news", all("ann"))
	members[2].Close() // the hub still announces itself
	var answer struct {
		Hubs    []hub.HubStats
		Missing []string
	}
	members[0].get("/api/v1/stats?cluster=1", &answer)
	if len(answer.Hubs) != 2 || answer.Hubs[0].Hub != "a" || answer.Hubs[1].Hub != "b" || answer.Hubs[1].Stats.Streams.Opened != 1 {
		t.Errorf("%+v", answer.Hubs)
	}
	if !cmp.Equal(answer.Missing, []string{"c"}) {
		t.Errorf("missing: %v", answer.Missing)
	}
}

func TestStreamsOfAllHubsAreListedInPages(t *testing.T) {
	t.Parallel()
	members := cluster(t, 3, nil)
	want := map[string]int{}
	for i := range 9 {
		m := i % 3
		members[m].stream(fmt.Sprint("news/", i), all("ann"))
		want[string(rune('a'+m))]++
	}
	members[0].stream("other", all("bob"))
	for i, m := range members { // the first bytes of a stream come before the hub lists it
		await(t, "the streams of "+m.URL, func() bool { return m.Adopted() == []int{4, 3, 3}[i] })
	}
	got, topics := map[string]int{}, map[string]bool{}
	for after := ""; ; {
		var page struct {
			Subscribers []hub.Subscriber
			Next        string
			Missing     []string
		}
		members[1].get("/api/v1/subscribers?cluster=1&limit=2&subject=ann&after="+after, &page)
		for _, s := range page.Subscribers {
			got[s.Hub]++
			topics[s.Topics[0]] = true
		}
		if len(page.Missing) > 0 {
			t.Errorf("missing: %v", page.Missing)
		}
		if after = page.Next; after == "" {
			break
		}
	}
	if !cmp.Equal(got, want) || len(topics) != 9 {
		t.Errorf("streams by hub: %v, of %d topics", got, len(topics))
	}
}

func TestRevocationReachesOtherHubsWithoutTheLog(t *testing.T) {
	t.Parallel()
	members := cluster(t, 2, nil)
	open := members[1].stream("news", all("ann"))
	if status, text := members[0].ask(http.MethodPost, "/api/v1/revoke", `{"sub":"ann"}`); status != http.StatusOK {
		t.Fatalf("%d: %s", status, text)
	}
	if _, err := io.ReadAll(open); err != nil { // the hub ends the stream
		t.Error(err)
	}
}

func TestPathsOfOtherHubsNeedTheKeyOfTheCluster(t *testing.T) {
	t.Parallel()
	members := cluster(t, 1, nil)
	for _, target := range []string{"/api/v1/peer/stats", "/api/v1/peer/subscribers?limit=5", "/api/v1/peer/snapshot"} {
		if status, text := members[0].ask(http.MethodGet, target, ""); status != http.StatusUnauthorized {
			t.Errorf("%s with the token of an administrator answers %d: %s", target, status, text)
		}
		for key, want := range map[string]int{string(clusterKey): http.StatusOK, "some other key of the same length, or so": http.StatusUnauthorized} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, members[0].URL+target, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			peers.Sign(r, []byte(key), members[0].self(), time.Now())
			if strings.HasSuffix(target, "snapshot") && want == http.StatusOK {
				want = http.StatusNotFound // the hub has no snapshots
			}
			if status, text := members[0].do(r); status != want {
				t.Errorf("%s with the key %q answers %d: %s", target, key, status, text)
			}
		}
	}
}

func TestHubWithoutAClusterSaysSo(t *testing.T) {
	t.Parallel()
	k := serveKeyed(t, mustMemory(t, nil), hub.Options{}, transports[0])
	header := bearer(k.token(all("boss")))
	for target, method := range map[string]string{
		"/api/v1/cluster": http.MethodGet, "/api/v1/cluster/settings": http.MethodPost, "/api/v1/cluster/reset": http.MethodPost,
		"/api/v1/cluster/hubs/a": http.MethodDelete,
	} {
		refused(t, target, k.send(request{method: method, path: target, header: header}), http.StatusNotFound, "not-found", "not part of a cluster")
	}
	for _, target := range []string{"/api/v1/stats?cluster=1", "/api/v1/subscribers?cluster=1"} {
		refused(t, target, k.send(request{path: target, header: header}), http.StatusBadRequest, "invalid-request", "not part of one")
	}
}

func TestAdministratorChangesTheCluster(t *testing.T) {
	t.Parallel()
	var did []string
	m := cluster(t, 1, func(o *hub.ClusterOptions) {
		o.Configure = func(_ context.Context, settings []byte) error { did = append(did, "set "+string(settings)); return nil }
		o.Remove = func(_ context.Context, name string) error {
			if name == "gone" {
				return errors.New("there is no hub \"gone\"")
			}
			did = append(did, "remove "+name)
			return nil
		}
		o.Details = func(context.Context) any { return map[string]int{"leader": 3} }
	})[0]
	for _, request := range []struct {
		method, target, body string
		status               int
		text                 string
	}{
		{http.MethodPost, "/api/v1/cluster/settings", `{"x":1}`, http.StatusOK, `"leader":3`},
		{http.MethodDelete, "/api/v1/cluster/hubs/b", "", http.StatusOK, `"hubs"`},
		{http.MethodDelete, "/api/v1/cluster/hubs/hub%202%2Fb", "", http.StatusOK, `"hubs"`},
		{http.MethodDelete, "/api/v1/cluster/hubs/", "", http.StatusBadRequest, `name the hub`},
		{http.MethodDelete, "/api/v1/cluster/hubs/gone", "", http.StatusConflict, `there is no hub`},
		{http.MethodPost, "/api/v1/cluster/reset", "", http.StatusNotFound, `no operation`},
		{http.MethodPost, "/api/v1/cluster/settings", strings.Repeat("x", 1<<17), http.StatusRequestEntityTooLarge, ""},
	} {
		if status, text := m.ask(request.method, request.target, request.body); status != request.status || !strings.Contains(text, request.text) {
			t.Errorf("%s %s answers %d: %s", request.method, request.target, status, text)
		}
	}
	if want := []string{`set {"x":1}`, "remove b", "remove hub 2/b"}; !cmp.Equal(did, want) {
		t.Errorf("done: %q", did)
	}
}

func TestHubFetchesACopyFromTheHubWithTheLatestMessage(t *testing.T) {
	t.Parallel()
	var sends atomic.Value // how the hubs send their copies
	members := cluster(t, 3, func(o *hub.ClusterOptions) {
		o.Snapshot = func(_ context.Context, w io.Writer) error {
			how := sends.Load().(string)
			if how == "refused" {
				return errors.New("this log is wrong")
			}
			_, err := io.WriteString(w, how)
			if how == "half" {
				return errors.New("the disk is gone")
			}
			return err
		}
	})
	log := memberLog{mustMemory(t, nil), members[0].shared}
	newcomer := &hub.ClusterOptions{Name: "d", Key: clusterKey}
	for _, how := range []string{"whole", "half", "refused"} {
		sends.Store(how)
		body, err := hub.FetchSnapshot(t.Context(), log, newcomer, 4, 6)
		var text []byte
		if err == nil {
			text, err = io.ReadAll(body)
			_ = body.Close()
		}
		if (err == nil) != (how == "whole") || errors.Is(err, hub.ErrNoSnapshot) || how == "whole" && string(text) != how {
			t.Errorf("%s: %q, %v", how, text, err)
		}
	}
	if _, err := hub.FetchSnapshot(t.Context(), log, newcomer, 4, 7); !errors.Is(err, hub.ErrNoSnapshot) {
		t.Errorf("when no hub has a later message: %v", err)
	}
	if _, err := hub.FetchSnapshot(t.Context(), log, newcomer, 5, 7); err == nil || errors.Is(err, hub.ErrNoSnapshot) {
		t.Errorf("when a hub was not heard: %v", err)
	}
	if _, err := hub.FetchSnapshot(t.Context(), log, newcomer, 0, 7); !errors.Is(err, hub.ErrNoSnapshot) {
		t.Errorf("when no hub has a later message, and their number is not known: %v", err)
	}
	if _, err := hub.FetchSnapshot(t.Context(), log, &hub.ClusterOptions{Name: "d"}, 4, 0); err == nil {
		t.Error("without a key it fetches")
	}
}

func TestLameDuckServesEverythingButReadiness(t *testing.T) {
	t.Parallel()
	s := serve(t, mustMemory(t, nil), nil, transports[0])
	s.hub.EnterLameDuck()
	refused(t, "ready", s.send(request{path: "/readyz"}), http.StatusServiceUnavailable, "draining", "")
	if a := s.send(request{path: "/events/news", body: "hello"}); a.status != http.StatusOK && a.status != http.StatusCreated {
		t.Errorf("publishing: %+v", a)
	}
	if a := s.send(request{path: "/events/news?poll=1"}); a.status != http.StatusOK || !strings.Contains(a.body, "hello") {
		t.Errorf("polling: %+v", a)
	}
}

func TestOptionsOfAClusterAreChecked(t *testing.T) {
	t.Parallel()
	good := hub.ClusterOptions{Name: "a", URL: "https://10.0.0.1:8080", Key: clusterKey}
	if err := (&hub.Options{Cluster: &good}).Check(); err != nil {
		t.Error(err)
	}
	for what, spoil := range map[string]func(*hub.ClusterOptions){
		"Name": func(o *hub.ClusterOptions) { o.Name = "" },
		"URL":  func(o *hub.ClusterOptions) { o.URL = "10.0.0.1:8080" },
		"Key":  func(o *hub.ClusterOptions) { o.Key = []byte("short") },
	} {
		o := good
		spoil(&o)
		if err := (&hub.Options{Cluster: &o}).Check(); err == nil || !strings.Contains(err.Error(), "Cluster."+what) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
