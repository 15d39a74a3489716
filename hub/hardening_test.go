package hub_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/hub"
)

// Attacks by clients without permissions. hardening_tokens_test.go has forged tokens, hardening_half_open_test.go has incomplete requests,
// limits_test.go has limits, local_test.go has DNS rebinding, bad_input_test.go has invalid paths and bodies.

// serveExposed serves a hub with the timeouts of a public server, and returns its address.
func serveExposed(t *testing.T, o hub.Options) (s *site, addr string) {
	t.Helper()
	log := mustMemory(t, nil)
	h := mustHub(t, log, &o)
	server := httptest.NewUnstartedServer(h)
	server.Config.ReadHeaderTimeout = 5 * time.Second
	server.Config.MaxHeaderBytes = 64 << 10
	server.Start()
	t.Cleanup(func() {
		if err := h.Shutdown(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
		server.Close()
	})
	return &site{T: t, hub: h, log: log, url: server.URL, client: server.Client()}, server.Listener.Addr().String()
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// TestSlowlorisBodyIsCutOff: a byte every now and then does not keep a connection open.
func TestSlowlorisBodyIsCutOff(t *testing.T) {
	t.Parallel()
	s, addr := serveExposed(t, hub.Options{BodyTimeout: 500 * time.Millisecond})
	for name, head := range map[string]string{
		"a body":        "POST /events/news HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n",
		"chunks":        "POST /events/news HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
		"a form":        "QUERY /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\n",
		"a revocation":  "POST /api/v1/revoke HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n",
		"a base64 body": "POST /events/news?encoding=base64 HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n",
	} {
		conn := dial(t, addr)
		if _, err := io.WriteString(conn, head); err != nil {
			t.Fatal(err)
		}
		stop := make(chan struct{})
		go func() {
			drip := "x"
			if strings.Contains(head, "chunked") {
				drip = "1\r\nx\r\n"
			}
			for tick := time.NewTicker(50 * time.Millisecond); ; {
				select {
				case <-tick.C:
					_, _ = io.WriteString(conn, drip) // fails when the hub closes the connection
				case <-stop:
					tick.Stop()
					return
				}
			}
		}()
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		close(stop)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		body, _ := io.ReadAll(resp.Body) // the connection may be reset after the answer
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusRequestTimeout || !strings.Contains(string(body), ":timeout") {
			t.Errorf("%s: %d %s", name, resp.StatusCode, body)
		}
	}
	if head := s.log.Head(); head.Seq != 0 {
		t.Errorf("something was stored: %v", events(t, s.log))
	}
}

// TestSlowlorisHeaderIsCutOff: the client sends header lines quickly and never ends the header.
func TestSlowlorisHeaderIsCutOff(t *testing.T) {
	t.Parallel()
	s, addr := serveExposed(t, hub.Options{})
	conn := dial(t, addr)
	if _, err := io.WriteString(conn, "POST /events/news HTTP/1.1\r\nHost: x\r\n"); err != nil {
		t.Fatal(err)
	}
	cut := make(chan struct{})
	go func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for range tick.C {
			if _, err := io.WriteString(conn, "X: y\r\n"); err != nil {
				close(cut)
				return
			}
		}
	}()
	select {
	case <-cut:
	case <-time.After(patience):
		t.Fatal("the hub does not close the connection")
	}
	s.post("news", "still here")
	wantEvents(t, s.log, "news still here")
}

// TestHeaderBombsAreRefused: net/http refuses them before the hub sees them, and other clients notice nothing.
func TestHeaderBombsAreRefused(t *testing.T) {
	t.Parallel()
	s, addr := serveExposed(t, hub.Options{})
	for name, bomb := range map[string]string{
		"one long field":  "GET /events/news HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 1<<20) + "\r\n\r\n",
		"many fields":     "GET /events/news HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X: y\r\n", 1<<17) + "\r\n",
		"a long path":     "GET /events/" + strings.Repeat("x", 1<<20) + " HTTP/1.1\r\nHost: x\r\n\r\n",
		"a long token":    "GET /events/news HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + strings.Repeat("x", 1<<20) + "\r\n\r\n",
		"no end of line":  "GET /events/news HTTP/1.1\r\nHost: " + strings.Repeat("x", 1<<20),
		"a long position": "GET /events/news HTTP/1.1\r\nHost: x\r\nLast-Event-ID: " + strings.Repeat("9", 1<<20) + "\r\n\r\n",
	} {
		conn := dial(t, addr)
		go func() { _, _ = io.WriteString(conn, bomb) }() // fails when the server resets the connection after its answer
		line, err := bufio.NewReader(conn).ReadString('\n')
		if err == nil && !strings.HasPrefix(line, "HTTP/1.1 431") && !strings.HasPrefix(line, "HTTP/1.1 400") && !strings.HasPrefix(line, "HTTP/1.1 414") {
			t.Errorf("%s: %q", name, line)
		}
	}
	many := "/events?" + strings.Repeat("topic=x&", 1<<12)
	refused(t, "many topics", s.send(request{path: many}), http.StatusBadRequest, "too-many-topics", "")
	s.post("news", "still here")
	await(t, "the stream has ended", func() bool { return s.hub.Streams() == 0 })
}

// TestForeignPagesCannotPublishWithACookie: a page of another origin posts a form, and the browser adds the visitor's cookie. CORS does not
// help, because it restricts only reading the response.
func TestForeignPagesCannotPublishWithACookie(t *testing.T) {
	t.Parallel()
	const ours = "https://app.example"
	for _, allow := range [][]string{nil, {ours}, {"*"}, {ours, "*"}} {
		k := serveKeyed(t, mustMemory(t, nil), hub.Options{AllowOrigins: allow}, transports[0])
		token := k.token(all("ann"))
		named := len(allow) > 0 && allow[0] == ours
		star := len(allow) > 0 && allow[len(allow)-1] == "*"
		for name, test := range map[string]struct {
			header         map[string]string
			cookie, bearer bool // whether the hub accepts the request with a cookie, and with a token in the Authorization field
		}{
			"a program":                 {nil, true, true},
			"a page of the hub":         {map[string]string{"Origin": k.url, "Sec-Fetch-Site": "same-origin"}, true, true},
			"a page without Origin":     {map[string]string{"Sec-Fetch-Site": "same-origin"}, true, true},
			"typed into the browser":    {map[string]string{"Sec-Fetch-Site": "none"}, true, true},
			"an allowed origin":         {map[string]string{"Origin": ours, "Sec-Fetch-Site": "cross-site"}, named, named || star},
			"a foreign page":            {map[string]string{"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}, false, star},
			"a foreign page, no Origin": {map[string]string{"Sec-Fetch-Site": "cross-site"}, false, false},
			"a page of the same site":   {map[string]string{"Sec-Fetch-Site": "same-site"}, false, false},
			"the same site, Origin":     {map[string]string{"Origin": "http://127.0.0.1:1", "Sec-Fetch-Site": "same-site"}, false, star},
			"a sandboxed page":          {map[string]string{"Origin": "null", "Sec-Fetch-Site": "cross-site"}, false, star},
			"a longer name":             {map[string]string{"Origin": k.url + ".evil.example"}, false, star},
			"the host in the path":      {map[string]string{"Origin": "https://evil.example/" + k.url}, false, star},
			"a longer host":             {map[string]string{"Origin": ours + ".evil.example"}, false, star},
		} {
			for _, path := range []string{"/events/news", "/api/v1/revoke"} {
				for _, cookie := range []bool{true, false} {
					header := map[string]string{"Content-Type": "text/plain"}
					maps.Copy(header, test.header)
					good := test.bearer
					if header["Authorization"] = "Bearer " + token; cookie {
						delete(header, "Authorization")
						header["Cookie"] = "token=" + token
						good = test.cookie
					}
					what := fmt.Sprintf("allowed are %q: %s, %s, cookie %v", allow, name, path, cookie)
					a := k.send(request{path: path, body: `{"sub":"nobody"}`, header: header})
					if good && a.status != http.StatusOK {
						t.Errorf("%s: %+v", what, a)
					} else if !good {
						refused(t, what, a, http.StatusForbidden, "foreign-origin", "")
					}
				}
			}
		}
	}
}

// TestForeignPagesCannotAdminister: they can neither change anything nor read a response.
func TestForeignPagesCannotAdminister(t *testing.T) {
	t.Parallel()
	k := serveKeyed(t, mustMemory(t, nil), hub.Options{AllowOrigins: []string{"https://app.example"}}, transports[0])
	cookie := "token=" + k.token(all("boss"))
	for _, path := range []string{"/metrics", "/api/v1/stats", "/api/v1/subscribers", "/debug/pprof/heap"} {
		for _, header := range []map[string]string{
			{"Cookie": cookie, "Origin": "https://evil.example"}, {"Cookie": cookie, "Sec-Fetch-Site": "cross-site"},
		} {
			refused(t, path, k.send(request{path: path, header: header}), http.StatusForbidden, "foreign-origin", "")
		}
		a := k.send(request{path: path, header: map[string]string{"Cookie": cookie, "Origin": "https://app.example"}})
		if a.status != http.StatusOK || a.header.Get("Access-Control-Allow-Origin") != "https://app.example" {
			t.Errorf("%s: %d %v", path, a.status, a.header)
		}
	}
	a := k.send(request{path: "/events/news?poll=1", header: map[string]string{"Cookie": cookie, "Origin": "https://evil.example"}})
	if a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("%v", a.header)
	}
}

// TestAdminPathsHaveNoOtherSpelling: every other spelling of a path gets 404.
func TestAdminPathsHaveNoOtherSpelling(t *testing.T) {
	t.Parallel()
	k := serveKeyed(t, mustMemory(t, nil), hub.Options{}, transports[0])
	reader := bearer(k.token(access.Grant{Subject: "reader", Subscribe: patterns("**")}))
	for _, path := range []string{
		"/metrics/", "//metrics", "/./metrics", "/events/../metrics", "/%6detrics", "/metrics%00", "/METRICS", "/metrics;x", "/healthz/../metrics",
		"/api/v1/revoke/", "/api//v1/revoke", "/api/v1/../v1/stats", "/debug/pprof", "/debug/pprof//heap", "/debug/pprof/../../metrics", "/debug%2Fpprof%2Fheap",
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodHead} {
			a := k.send(request{method: method, path: path, header: reader})
			if a.status < 400 || strings.Contains(a.body, "tidings_") {
				t.Errorf("%s %s: %+v", method, path, a)
			}
		}
	}
}

// TestClientsCannotForgeLogLines: the text of a request stays in one line. Neither log lines nor metrics contain secrets.
func TestClientsCannotForgeLogLines(t *testing.T) {
	t.Parallel()
	const forged = "level=ERROR msg=forged"
	o := hub.Options{}
	signer := mustSigner(t)
	policy := policyOf(signer)
	o.Authorize = func(r *http.Request) (access.Grant, error) {
		if r.Header.Get("X-Break") != "" {
			return access.Grant{}, &access.Refusal{Reason: access.WrongIssuer, Public: "no", Detail: "its issuer is \"\n" + forged + "\x1b[2J"}
		}
		return policy(r)
	}
	k := serveKeyed(t, mustMemory(t, nil), o, transports[0])
	token := k.token(all("ann\n" + forged))
	boss := k.token(all("boss"))
	for _, r := range []request{
		{path: "/events/news?x=%0A" + strings.ReplaceAll(forged, " ", "+")},
		{path: "/events/a%0A" + strings.ReplaceAll(forged, " ", "%20"), body: "x"},
		{path: "/events/news", body: "secret data", header: bearer(token)},
		{path: "/events/news?poll=1", header: map[string]string{"Cookie": "token=" + token, "User-Agent": forged}},
		{path: "/events/news", header: map[string]string{"X-Break": "1"}},
		{path: "/events/news", header: bearer(token + "x")},
		{path: "/events/news", header: bearer("\x7f" + forged)},
		{path: "/api/v1/revoke", body: `{"sub":"ann\n` + forged + `"}`, header: bearer(boss)},
		{path: "/events/news?poll=1", header: bearer(token)}, // revoked
		{path: "/events/news", body: "{\"data\":\"\\n" + forged + "\"", header: map[string]string{"Content-Type": "application/x-ndjson", "Authorization": "Bearer " + boss}},
	} {
		resp, err := k.do(t.Context(), r)
		if err != nil {
			continue // net/http's client refuses to send it
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	text := k.logs.String()
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "time=") || strings.HasPrefix(line, forged) || strings.ContainsAny(strings.TrimSuffix(line, "\n"), "\x1b\r") {
			t.Errorf("a line of the log is %q", line)
		}
	}
	if !strings.Contains(text, "forged") { // otherwise the test has tried nothing
		t.Errorf("no log line mentions the requests: %s", text)
	}
	metrics := k.send(request{path: "/metrics", header: bearer(boss)}).body
	for _, secret := range []string{secretKey, token, boss, strings.Split(token, ".")[2], "secret data"} {
		if strings.Contains(text, secret) || strings.Contains(metrics, secret) {
			t.Errorf("%q is in the log or the metrics", clipped(secret))
		}
	}
}
