package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/sse"
)

// start serves a site with its own log. It returns the site's URL and the log.
func start(t *testing.T) (string, eventlog.Log) {
	t.Helper()
	events, err := eventlog.NewMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	site, err := newSite(events)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(site.routes())
	t.Cleanup(func() {
		if err := site.hub.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		server.Close()
		_ = events.Close()
	})
	return server.URL, events
}

// browser is a client with cookies.
type browser struct {
	*testing.T
	url    string
	client http.Client
}

// login returns a browser that is logged in under name. With an empty name it is not logged in.
func login(t *testing.T, site, name string) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{t, site, http.Client{Jar: jar}}
	if name == "" {
		return b
	}
	if status, page := b.post("/login", url.Values{"name": {name}}.Encode()); status != http.StatusOK || !strings.Contains(page, "Hello, <span class=\"name\">"+name) {
		t.Fatalf("the login of %s gives %d %s", name, status, page)
	}
	return b
}

func (b *browser) request(method, path, body string) *http.Request {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), method, b.url+path, strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return req
}

func (b *browser) send(req *http.Request) (status int, body string) {
	b.Helper()
	resp, err := b.client.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func (b *browser) post(path, body string) (status int, answer string) {
	b.Helper()
	return b.send(b.request(http.MethodPost, path, body))
}

func (b *browser) get(path string) (status int, answer string) {
	b.Helper()
	return b.send(b.request(http.MethodGet, path, ""))
}

// want subscribes to everything that the grant allows, from the earliest event, and compares the data with the wanted
// data.
func (b *browser) want(data ...string) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), 20*time.Second)
	defer cancel()
	client := sse.Client{HTTP: &b.client}
	var got []string
	for event, err := range client.Subscribe(b.request(http.MethodGet, "/events?since=earliest", "").WithContext(ctx)) {
		if err != nil {
			b.Fatalf("after %q: %v", got, err)
		}
		if event.Type != sse.DefaultType {
			continue
		}
		if got = append(got, event.Data); len(got) == len(data) {
			break
		}
	}
	if !slices.Equal(got, data) {
		b.Errorf("got %q, want %q", got, data)
	}
}

// TestUsersGetTheNewsAndOnlyTheirOwnMessages checks that the news reach every user, and a message only its recipient.
func TestUsersGetTheNewsAndOnlyTheirOwnMessages(t *testing.T) {
	site, _ := start(t)
	ada, alan, grace := login(t, site, "ada"), login(t, site, "alan"), login(t, site, "grace")
	for _, news := range []string{"first", "second"} {
		if status, answer := grace.post("/events/news/office", news); status != http.StatusOK {
			t.Fatalf("an editor's news: %d %s", status, answer)
		}
		if status, answer := ada.post("/messages", url.Values{"to": {"grace"}, "text": {"read the " + news}}.Encode()); status != http.StatusNoContent {
			t.Fatalf("a message: %d %s", status, answer)
		}
	}
	message := func(text string) string { return `{"from":"ada","to":"grace","text":"` + text + `"}` }
	both := []string{"first", message("read the first"), "second", message("read the second")}
	ada.want(both...)
	grace.want(both...)
	alan.want("first", "second")
}

// TestActionsOutsideTheGrantAreRefused also checks that refused requests publish nothing.
func TestActionsOutsideTheGrantAreRefused(t *testing.T) {
	site, events := start(t)
	if status, _ := login(t, site, "").post("/login", "name=eve"); status != http.StatusUnauthorized {
		t.Errorf("the login with an unknown name gives %d", status)
	}
	for _, test := range []struct {
		name, path, body string // an empty body means GET
		want             int
	}{
		{"", "/events", "", 401},
		{"", "/events/news/office", "", 401},
		{"", "/events/news/office", "false", 401},
		{"", "/messages", "to=ada&text=spam", 401},
		{"ada", "/events/news/office", "false", 403},
		{"ada", "/events/users/grace/messages", "", 403},
		{"ada", "/events/users/**", "", 403},
		{"ada", "/events?topic=news/office&topic=users/grace/messages", "", 403},
		{"ada", "/events/users/ada/messages", "a forged one", 403},
		{"grace", "/events/users/ada/messages", "a forged one", 403},
		{"grace", "/events?topic=news/office&topic=users/ada/messages", "a forged one", 403},
		{"ada", "/messages", "to=eve&text=hello", 400},
		{"ada", "/messages", "to=*&text=hello", 400},
	} {
		b := login(t, site, test.name)
		send := b.post
		if test.body == "" {
			send = func(path, _ string) (int, string) { return b.get(path) }
		}
		if status, answer := send(test.path, test.body); status != test.want {
			t.Errorf("%q %s %q: %d %s, want %d", test.name, test.path, test.body, status, answer, test.want)
		}
	}
	if head := events.Head(); head.Seq != 0 {
		t.Errorf("the log moved to %s", head)
	}
}

// TestHubServesItsAPI: when only /events was mounted, /api/v1/topics was not found.
func TestHubServesItsAPI(t *testing.T) {
	site, _ := start(t)
	grace, ada := login(t, site, "grace"), login(t, site, "ada")
	for _, path := range []string{"/events/news/sports", "/messages"} {
		if status, text := grace.post(path, "to=alan&text=hello"); status >= 300 {
			t.Fatalf("%s: %d %s", path, status, text)
		}
	}
	for _, test := range []struct {
		who    *browser
		path   string
		status int
		says   string
	}{
		{grace, "/api/v1/topics", http.StatusOK, `{"topics":[{"topic":"news/sports",`},
		{grace, "/api/v1/topics", http.StatusOK, `"users/grace/messages"`},
		{ada, "/api/v1/topics", http.StatusOK, `{"topics":[{"topic":"news/sports",`},
		{grace, "/api/v1/stats", http.StatusForbidden, "administer"},
		{login(t, site, ""), "/api/v1/topics", http.StatusUnauthorized, "unauthorized"},
	} {
		if status, text := test.who.get(test.path); status != test.status || !strings.Contains(text, test.says) {
			t.Errorf("%s: %d %s, want %d %s", test.path, status, text, test.status, test.says)
		}
	}
	if _, text := ada.get("/api/v1/topics"); strings.Contains(text, "users/") {
		t.Errorf("ada sees topics of others: %s", text)
	}
}

// TestPagesOfOtherSitesPublishNothing: browsers send our visitors' cookies with requests of such pages.
func TestPagesOfOtherSitesPublishNothing(t *testing.T) {
	site, events := start(t)
	grace := login(t, site, "grace")
	for _, path := range []string{"/events/news/office", "/messages", "/logout"} {
		req := grace.request(http.MethodPost, path, "to=ada&text=hello")
		req.Header.Set("Origin", "https://evil.example")
		if status, answer := grace.send(req); status != http.StatusForbidden {
			t.Errorf("%s: %d %s", path, status, answer)
		}
	}
	if head := events.Head(); head.Seq != 0 {
		t.Errorf("the log moved to %s", head)
	}
}

func TestLogoutEndsTheSession(t *testing.T) {
	site, _ := start(t)
	ada := login(t, site, "ada")
	stolen, err := url.Parse(site)
	if err != nil {
		t.Fatal(err)
	}
	cookies := ada.client.Jar.Cookies(stolen)
	if status, page := ada.post("/logout", ""); status != http.StatusOK || !strings.Contains(page, "Who are you?") {
		t.Errorf("the logout gives %d %s", status, page)
	}
	ada.client.Jar.SetCookies(stolen, cookies)
	if status, answer := ada.get("/events"); status != http.StatusUnauthorized {
		t.Errorf("the old cookie gets %d %s", status, answer)
	}
}

// TestPageSubscribesAfterTheLogin also checks that only editors get the form to publish.
func TestPageSubscribesAfterTheLogin(t *testing.T) {
	site, _ := start(t)
	for name, want := range map[string]bool{"": false, "ada": true, "grace": true} {
		status, page := login(t, site, name).get("/")
		if got := strings.Contains(page, "new EventSource('/events?"); status != http.StatusOK || got != want {
			t.Errorf("the page of %q: %d, subscribes: %t", name, status, got)
		}
		if got := strings.Contains(page, `id="publish"`); got != (name == "grace") {
			t.Errorf("the page of %q has the form to publish: %t", name, got)
		}
	}
}

// TestShutdownEndsOpenStreams: a shutdown must not wait for streams, which have no end of their own.
func TestShutdownEndsOpenStreams(t *testing.T) {
	listener, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- run(ctx, listener) }()
	grace := login(t, "http://"+listener.Addr().String(), "grace")
	resp, err := grace.client.Do(grace.request(http.MethodGet, "/events", ""))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if status, answer := grace.post("/events/news/office", "last news"); status != http.StatusOK {
		t.Fatalf("%d %s", status, answer)
	}
	stop()
	stream, err := io.ReadAll(resp.Body)
	if err != nil || !strings.Contains(string(stream), "data: last news\n") {
		t.Errorf("the stream was %q, %v", stream, err)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}
