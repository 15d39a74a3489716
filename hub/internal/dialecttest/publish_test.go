package dialecttest

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/hub"
)

// sent is a request to publish.
type sent struct {
	path, user, body string
	header           map[string]string
}

func (s *site) publish(x sent) (int, string) {
	s.Helper()
	r, err := http.NewRequestWithContext(s.Context(), http.MethodPost, s.url+x.path, strings.NewReader(x.body))
	if err != nil {
		s.Fatal(err)
	}
	r.Header.Set("User", x.user)
	for name, value := range x.header {
		r.Header.Set(name, value)
	}
	resp, err := s.client.Do(r)
	if err != nil {
		s.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func zipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestADialectReadsCompressedAndForeignText, as the native dialect does, whole and as it arrives.
func TestADialectReadsCompressedAndForeignText(t *testing.T) {
	t.Parallel()
	each(t, hub.Options{}, func(s *site) {
		f := s.follow("/lines/news", "")
		latin := map[string]string{"Content-Type": "text/plain; charset=iso-8859-1"}
		gzipped := map[string]string{"Content-Encoding": "gzip"}
		for _, x := range []sent{
			{path: "/lines/news", body: "gr\xfc\xdfe", header: latin},
			{path: "/lines/news", body: zipped(t, "small"), header: gzipped},
			{path: "/lines/news?each", body: "gr\xfc\xdfe\nnochmal", header: latin},
			{path: "/lines/news?each", body: zipped(t, "one\ntwo\n"), header: gzipped},
			{path: "/lines/news?batch", body: "three\nfour\n"},
		} {
			if status, body := s.publish(x); status != http.StatusOK {
				s.Errorf("%q: %d %s", x.body, status, body)
			}
		}
		f.want("grüße", "small", "grüße", "nochmal", "one", "two", "three", "four")
	})
}

// TestADialectStoresLinesAsTheyArrive: a line is delivered before the next has been sent.
func TestADialectStoresLinesAsTheyArrive(t *testing.T) {
	t.Parallel()
	each(t, hub.Options{}, func(s *site) {
		f := s.follow("/lines/news", "")
		out, in := io.Pipe()
		answer := make(chan string, 1)
		go func() {
			r, err := http.NewRequestWithContext(s.Context(), http.MethodPost, s.url+"/lines/news?each", out)
			if err != nil {
				answer <- err.Error()
				return
			}
			resp, err := s.client.Do(r)
			if err != nil {
				answer <- err.Error()
				return
			}
			defer func() { _ = resp.Body.Close() }()
			text, err := io.ReadAll(resp.Body)
			answer <- fmt.Sprintf("%s %v", text, err)
		}()
		for _, line := range []string{"one", "two", "three"} {
			if _, err := io.WriteString(in, line+"\n"); err != nil {
				s.Fatal(err)
			}
			f.want(line)
		}
		if err := in.Close(); err != nil {
			s.Fatal(err)
		}
		if got, want := <-answer, fmt.Sprintf("3 %s\n <nil>", s.log.Head()); got != want {
			s.Errorf("the answer is %q, want %q", got, want)
		}
	})
}

// TestRefusedPublishersGetTheFormOfTheDialect, whether their bodies are read or not, and nothing of them is stored.
func TestRefusedPublishersGetTheFormOfTheDialect(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", 5<<20)
	each(t, hub.Options{MaxEvent: 1 << 20, MaxBodyMemory: 6 << 20, MaxPerToken: 1}, func(s *site) {
		s.follow("/lines/news", "busy")
		at := s.log.Head()
		for name, test := range map[string]struct {
			sent
			status int
			begins string
		}{
			"too large":             {sent{path: "/lines/news", body: large}, 413, "too-large: "},
			"too large, zipped":     {sent{path: "/lines/news", body: zipped(t, large), header: map[string]string{"Content-Encoding": "gzip"}}, 413, "too-large: "},
			"no grant":              {sent{path: "/lines/news", user: "reader", body: "x"}, 401, "forbidden: "},
			"no grant, large":       {sent{path: "/lines/news", user: "reader", body: large}, 401, "forbidden: "},
			"no grant, each":        {sent{path: "/lines/news?each", user: "reader", body: large}, 401, "forbidden: "},
			"unknown user":          {sent{path: "/lines/news", user: "unknown user", body: "x"}, 401, "unauthorized: "},
			"foreign page":          {sent{path: "/lines/news", body: "x", header: map[string]string{"Origin": "https://evil.example"}}, 401, "foreign-origin: "},
			"unknown coding":        {sent{path: "/lines/news", body: "x", header: map[string]string{"Content-Encoding": "br"}}, 415, "unsupported-media-type: "},
			"unknown charset":       {sent{path: "/lines/news?each", body: "x", header: map[string]string{"Content-Type": "text/plain; charset=nope"}}, 415, "unsupported-media-type: "},
			"not UTF-8":             {sent{path: "/lines/news", body: "\xff"}, 400, "invalid-event: "},
			"not UTF-8, each":       {sent{path: "/lines/news?each", body: "\xff"}, 400, "invalid-event: "},
			"damaged":               {sent{path: "/lines/news?each", body: "x", header: map[string]string{"Content-Encoding": "gzip"}}, 400, "invalid-event: "},
			"long line":             {sent{path: "/lines/news?each", body: large}, 413, "too-large: "},
			"a bad line in a batch": {sent{path: "/lines/news?batch", body: "good\nb\xffd\n"}, 400, "invalid-event: "},
			"streams":               {sent{path: "/lines/news?each", user: "busy", body: "x\n"}, 429, "too-many-streams: "},
		} {
			if status, body := s.publish(test.sent); status != test.status || !strings.HasPrefix(body, test.begins) {
				s.Errorf("%s: %d %q, want %d %q", name, status, body, test.status, test.begins)
			}
		}
		if head := s.log.Head(); head != at {
			s.Errorf("the log has gone from %s to %s", at, head)
		}
		if status, body := s.publish(sent{path: "/lines/news?each", body: "good\nb\xffd\n"}); status != 400 || s.log.Head().Seq != at.Seq+1 {
			s.Errorf("a bad line after a good one: %d %q, at %s", status, body, s.log.Head())
		}
	})
}

// TestARefusedBatchIsNotCounted: a batch that the rate or the log refuses must not use up the rate.
func TestARefusedBatchIsNotCounted(t *testing.T) {
	t.Parallel()
	each(t, hub.Options{PublishPerToken: hub.Rate{PerSecond: 0.001, Burst: 4}, PublishPerAddress: hub.Rate{PerSecond: 0.001, Burst: 6}}, func(s *site) {
		publish := func(user, topic string, n int) error {
			grant := access.Everything()
			grant.Subject = user
			return s.hub.Receive(nil, &http.Request{RemoteAddr: "192.0.2.1:7"}, grant, func(p *hub.Publication) error {
				_, err := p.Append(slices.Repeat([]hub.Event{{Topics: []string{topic}, Data: "x"}}, n)...)
				return err
			})
		}
		if _, err := s.hub.Publish(s.Context(), hub.Event{Topics: []string{"ended"}, End: true}); err != nil {
			s.Fatal(err)
		}
		for _, test := range []struct {
			user, topic string
			n, status   int
		}{
			{"ann", "news", 2, 0},
			{"ann", "news", 5, 413}, // more than the limit is at once
			{"ann", "news", 3, 429},
			{"ann", "ended", 2, 409},
			{"ann", "*", 2, 400},
			{"ann", "news", 2, 0},
			{"ann", "news", 1, 429},
			{"bob", "news", 3, 429}, // of the address
			{"bob", "news", 2, 0},
		} {
			err := publish(test.user, test.topic, test.n)
			if got := s.status(err); got != test.status {
				s.Errorf("%d events of %s to %s: %d %v, want %d", test.n, test.user, test.topic, got, err, test.status)
			}
		}
	})
}

// status returns the status of the problem that an error becomes, 0 without one.
func (s *site) status(err error) int {
	if err == nil {
		return 0
	}
	return s.hub.Problem(err).Status
}

// TestADialectWaitsForTheRateOfABatch: Retry-After is when all of it may be stored.
func TestADialectWaitsForTheRateOfABatch(t *testing.T) {
	t.Parallel()
	s := open(t, hub.Options{PublishPerAddress: hub.Rate{PerSecond: 0.1, Burst: 4}}, "http1")
	if status, body := s.publish(sent{path: "/lines/news?batch", body: "1\n2\n3\n"}); status != http.StatusOK {
		t.Fatal(status, body)
	}
	err := s.hub.Receive(nil, &http.Request{RemoteAddr: "127.0.0.1:7"}, access.Everything(), func(p *hub.Publication) error {
		e := hub.Event{Topics: []string{"news"}}
		_, err := p.Append(e, e, e)
		return err
	})
	if p := s.hub.Problem(err); p.RetryAfter < 19*time.Second || p.RetryAfter > 20*time.Second {
		t.Errorf("continue in %v, want 20s: %v", p.RetryAfter, err)
	}
}

// TestPanicOfAParserEndsOnlyItsRequest: it runs in a goroutine of the hub.
func TestPanicOfAParserEndsOnlyItsRequest(t *testing.T) {
	t.Parallel()
	each(t, hub.Options{MaxConnections: 2}, func(s *site) {
		f := s.follow("/lines/news", "")
		for range 3 {
			r, err := http.NewRequestWithContext(s.Context(), http.MethodPost, s.url+"/lines/news?each", strings.NewReader("one\npanic\n"))
			if err != nil {
				s.Fatal(err)
			}
			if resp, err := s.client.Do(r); err == nil {
				_ = resp.Body.Close()
				s.Errorf("the answer is %s", resp.Status)
			}
			f.want("one")
		}
		if status, body := s.publish(sent{path: "/lines/news?each", body: "two\n"}); status != http.StatusOK {
			s.Error(status, body)
		}
		f.want("two")
	})
}

// TestADialectSaysWhichFieldsPagesMayUse: a dialect need not have the fields of the native one.
func TestADialectSaysWhichFieldsPagesMayUse(t *testing.T) {
	t.Parallel()
	s := open(t, hub.Options{AllowOrigins: []string{"https://page.example"}}, "http1")
	ask := func(path string) http.Header {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, s.url+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Origin", "https://page.example")
		resp, err := s.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.Header
	}
	for path, want := range map[string][2]string{
		"/lines/news":  {"User", "Lines-After"},
		"/events/news": {"Authorization, Last-Event-ID, Idempotency-Key, Content-Type, Cache-Control", "Retry-After, WWW-Authenticate"},
	} {
		header := ask(path)
		if got := [2]string{header.Get("Access-Control-Allow-Headers"), header.Get("Access-Control-Expose-Headers")}; got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}
