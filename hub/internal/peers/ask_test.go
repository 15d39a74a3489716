package peers

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestLargeMessagesAreRefused: the table held 1,000 messages of any size.
func TestLargeMessagesAreRefused(t *testing.T) {
	t.Parallel()
	hello := Message{Hello: &Hub{Name: "a", Unready: strings.Repeat("x", maxMessage)}}
	if _, err := Decode(hello.Encode()); err == nil {
		t.Error("a message above the limit is accepted")
	}
	hello.Hello.Unready = strings.Repeat("x", maxMessage/2)
	if _, err := Decode(hello.Encode()); err != nil {
		t.Errorf("a message below the limit: %v", err)
	}
}

// TestRedirectsBetweenHubsAreNotFollowed: a hub would send its request to any address, and take the answer for that of a hub.
func TestRedirectsBetweenHubsAreNotFollowed(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect is followed") }))
	defer elsewhere.Close()
	redirecting := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer redirecting.Close()
	_, err := new(Client).Open(t.Context(), &Hub{Name: "a", URL: redirecting.URL}, "/x")
	if err == nil || !strings.Contains(err.Error(), "307") {
		t.Errorf("the error is %v", err)
	}
}

// silent is a hub that sends a beginning and then nothing, until the request is canceled.
type silent struct {
	ctx   context.Context
	begin string
}

func (s *silent) RoundTrip(r *http.Request) (*http.Response, error) {
	if s.ctx = r.Context(); s.begin == "" {
		<-s.ctx.Done()
		return nil, s.ctx.Err()
	}
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(s)}, nil
}

func (s *silent) Read(b []byte) (n int, err error) {
	if s.begin == "" {
		<-s.ctx.Done()
		return 0, s.ctx.Err()
	}
	n = copy(b, s.begin)
	s.begin = s.begin[n:]
	return n, nil
}

// TestSilentHubFailsASnapshot, before the header and in the body: a newcomer waited for it forever, although other hubs have snapshots, too.
func TestSilentHubFailsASnapshot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hub := &Hub{Name: "a", URL: "http://a"}
		began := time.Now()
		_, err := (&Client{HTTP: &http.Client{Transport: &silent{}}}).Open(t.Context(), hub, "/x")
		if _, ok := errors.AsType[*silentError](err); !ok || time.Since(began) != silence {
			t.Errorf("a hub without an answer: %v after %v", err, time.Since(began))
		}
		body, err := (&Client{HTTP: &http.Client{Transport: &silent{begin: "one"}}}).Open(t.Context(), hub, "/x")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = body.Close() }()
		time.Sleep(2 * silence) // the reader may take its time
		text, err := io.ReadAll(body)
		if _, ok := errors.AsType[*silentError](err); !ok || string(text) != "one" {
			t.Errorf("a hub that stops in its body: %q, %v", text, err)
		}
	})
}

// TestRequestsBetweenHubsUseNoProxy: a proxy for requests to the outside got signed requests. The test runs in a process of its own, because
// net/http reads the environment once.
func TestRequestsBetweenHubsUseNoProxy(t *testing.T) {
	t.Parallel()
	if os.Getenv("TIDINGS_TEST_PROXIED") != "" {
		new(Client).Ask(t.Context(), []Hub{{Name: "a", URL: "http://192.0.2.1:9"}}, "/x") // an address without a server
		return
	}
	var got atomic.Bool
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { got.Store(true) }))
	defer proxy.Close()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), "TIDINGS_TEST_PROXIED=1", "HTTP_PROXY="+proxy.URL)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if got.Load() {
		t.Error("the proxy got the request to another hub")
	}
}
