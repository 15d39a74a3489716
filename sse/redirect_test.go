package sse_test

import (
	"errors"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/sse"
)

// redirect answers with a redirect to url.
func redirect(code int, url string) answer { return status(code, "Location", url) }

func TestRedirectWithinTheOriginKeepsTheHeader(t *testing.T) {
	for _, code := range []int{301, 302, 303, 307, 308} {
		inBubble(t, []answer{redirect(code, "/elsewhere"), stream("data: a\n\n")}, func(t *testing.T, s *server, c *sse.Client) {
			req := get(t.Context())
			req.Header.Set("Authorization", "Bearer secret")
			req.Header.Set("X-Own", "mine")
			req.Header.Set("Last-Event-ID", "7")
			if _, err := collect(c.Subscribe(req)); err != nil {
				t.Error(err)
			}
			r := s.requests[1]
			if r.URL.Path != "/elsewhere" || r.Header.Get("Authorization") == "" || r.Header.Get("X-Own") == "" || r.Header.Get("Last-Event-ID") != "7" {
				t.Errorf("%d: the second request was %s with %v", code, r.URL, r.Header)
			}
			// Resilient reconnects to the request's own URL.
			if r := s.requests[2]; r.URL.Path != "/events" || r.Header.Get("Authorization") == "" {
				t.Errorf("%d: the third request was %s with %v", code, r.URL, r.Header)
			}
		})
	}
}

// TestRedirectToAnotherOriginDropsCredentials: net/http itself drops only four fields, and none between a domain and
// its subdomains.
func TestRedirectToAnotherOriginDropsCredentials(t *testing.T) {
	for name, there := range map[string]string{
		"host": "http://other.test/x", "subdomain": "http://sub.server.test/x", "port": "http://server.test:81/x",
		"and back": "http://other.test/back",
	} {
		t.Run(name, func(t *testing.T) {
			answers := []answer{redirect(307, there), stream("data: a\n\n"), status(204)}
			last := 1
			if name == "and back" {
				answers = slices.Insert(answers, 1, redirect(307, "http://server.test/secret"))
				last = 2
			}
			inBubble(t, answers, func(t *testing.T, s *server, c *sse.Client) {
				req := get(t.Context())
				req.Header.Set("Authorization", "Bearer secret")
				req.Header.Set("Cookie", "a=b")
				req.Header.Set("X-Api-Key", "secret")
				req.Header.Set("Last-Event-ID", "7")
				if _, err := collect(c.Subscribe(req)); err != nil {
					t.Error(err)
				}
				for _, r := range s.requests[1 : last+1] {
					for _, name := range []string{"Authorization", "Cookie", "X-Api-Key", "Referer"} {
						if r.Header.Get(name) != "" {
							t.Errorf("%s%s got %s", r.Host, r.URL, name)
						}
					}
					if r.Header.Get("Last-Event-ID") != "7" || r.Header.Get("Accept") != "text/event-stream" || r.Header.Get("Cache-Control") != "no-cache" {
						t.Errorf("%s%s got only %v", r.Host, r.URL, r.Header)
					}
				}
			})
		})
	}
}

func TestUnusableRedirectEndsTheSubscription(t *testing.T) {
	loop := slices.Repeat([]answer{redirect(302, "/again")}, 100)
	tests := map[string]struct {
		answers  []answer
		post     bool
		requests int
	}{
		"endless":                 {loop, false, 10},
		"out of HTTP":             {[]answer{redirect(302, "ftp://server.test/")}, false, 1},
		"body to another origin":  {[]answer{redirect(307, "http://other.test/")}, true, 1},
		"body to another origin2": {[]answer{redirect(308, "https://server.test/")}, true, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, test.answers, func(t *testing.T, s *server, c *sse.Client) {
				req := get(t.Context())
				if test.post {
					req = post(t.Context(), "secret")
				}
				_, err := collect(c.Subscribe(req))
				if _, ok := errors.AsType[*sse.RedirectError](err); !ok || len(s.header("")) != test.requests {
					t.Errorf("after %d requests the error is %v", len(s.header("")), err)
				}
			})
		})
	}
}

func TestWHATWGReconnectsAfterARedirectLoop(t *testing.T) {
	answers := append(slices.Repeat([]answer{redirect(302, "/again")}, 10), stream("data: a\n\n"))
	inBubble(t, answers, func(t *testing.T, s *server, c *sse.Client) {
		c.Recover = sse.WHATWG
		if data, err := collect(c.Subscribe(get(t.Context()))); err != nil || !slices.Equal(data, []string{"a"}) {
			t.Errorf("got %q, %v", data, err)
		}
	})
}

// TestKeptRedirectRepeatsTheAnsweredRequest: if a redirect turned a POST into a GET, the reconnection is a GET. The
// body is sent again only if the redirect sent it.
func TestKeptRedirectRepeatsTheAnsweredRequest(t *testing.T) {
	for code, want := range map[int]struct{ method, body string }{301: {"GET", ""}, 302: {"GET", ""}, 303: {"GET", ""}, 307: {"POST", "q"}, 308: {"POST", "q"}} {
		answers := []answer{redirect(code, "/there"), stream("id: 1\ndata: a\n\n"), stream("data: b\n\n")}
		inBubble(t, answers, func(t *testing.T, s *server, c *sse.Client) {
			c.Recover, c.Repeat = sse.WHATWG, true
			if data, err := collect(c.Subscribe(post(t.Context(), "q"))); err != nil || !slices.Equal(data, []string{"a", "b"}) {
				t.Errorf("%d: got %q, %v", code, data, err)
			}
			for i := 1; i < 4; i++ {
				if r := s.requests[i]; r.URL.Path != "/there" || r.Method != want.method || s.bodies[i] != want.body {
					t.Errorf("%d: request %d was %s %s with body %q", code, i, r.Method, r.URL, s.bodies[i])
				}
			}
		})
	}
}

// TestJarCookiesAreSentOnceOnReconnection: a cookie jar also adds cookies to a repeated request, which must not already
// contain them.
func TestJarCookiesAreSentOnceOnReconnection(t *testing.T) {
	answers := []answer{redirect(302, "http://other.test/x"), stream("data: a\n\n"), stream("data: b\n\n")}
	inBubble(t, answers, func(t *testing.T, s *server, c *sse.Client) {
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, host := range []string{"server", "other"} {
			jar.SetCookies(&url.URL{Scheme: "http", Host: host + ".test"}, []*http.Cookie{{Name: host, Value: "1"}})
		}
		c.HTTP.Jar, c.Recover = jar, sse.WHATWG
		if _, err := collect(c.Subscribe(get(t.Context()))); err != nil {
			t.Error(err)
		}
		if got := s.header("Cookie"); !slices.Equal(got, []string{"server=1", "other=1", "other=1", "other=1"}) {
			t.Errorf("the cookies were %q", got)
		}
	})
}

func TestCallersCheckRedirectIsUsed(t *testing.T) {
	inBubble(t, []answer{redirect(302, "/x")}, func(t *testing.T, s *server, c *sse.Client) {
		c.HTTP.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		_, err := collect(c.Subscribe(get(t.Context())))
		if err == nil || !strings.Contains(err.Error(), "302 Found") {
			t.Errorf("the error is %v", err)
		}
	})
}
