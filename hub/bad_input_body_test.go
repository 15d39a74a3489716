package hub_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
	"github.com/tidings-sse/tidings/internal/wire"
)

func contentTypeHeader(contentType string) map[string]string {
	return map[string]string{"Content-Type": contentType}
}

// TestBadHeadersAreRefused: the problem names the field or its value.
func TestBadHeadersAreRefused(t *testing.T) {
	t.Parallel()
	var requests []badRequest
	for _, test := range []struct {
		name, value   string
		status        int
		problem, says string
	}{
		{"Content-Type", "nonsense", 415, "unsupported-media-type", "nonsense"},
		{"Content-Type", "text/", 415, "unsupported-media-type", "text/"},
		{"Content-Type", "/plain", 415, "unsupported-media-type", "/plain"},
		{"Content-Type", ";charset=utf-8", 415, "unsupported-media-type", "Content-Type"},
		{"Content-Type", "text/plain, text/html", 415, "unsupported-media-type", "text/plain, text/html"},
		{"Content-Type", "text\xff/plain", 415, "unsupported-media-type", "Content-Type"},
		{"Content-Type", strings.Repeat("x", 5000), 415, "unsupported-media-type", "Content-Type"},
		{"Content-Type", "multipart/form-data; boundary=x", 415, "unsupported-media-type", "--data-binary"},
		{"Content-Type", "Multipart/Mixed", 415, "unsupported-media-type", "--data-binary"},
		{"Content-Type", "image/" + strings.Repeat("x", eventlog.MaxField), 413, "too-large", "content type"},
		{"Content-Encoding", "br", 415, "unsupported-media-type", "br"},
		{"Content-Encoding", "identity, br", 415, "unsupported-media-type", "br"},
		{"Content-Encoding", "gzip, zstd, gzip, zstd", 415, "unsupported-media-type", "4 content codings"},
		{"Content-Encoding", "made-up", 415, "unsupported-media-type", "made-up"},

		{"Idempotency-Key", "", 400, "invalid-request", "Idempotency-Key"},
		{"Idempotency-Key", "a b", 400, "invalid-request", "visible ASCII"},
		{"Idempotency-Key", "a\tb", 400, "invalid-request", "visible ASCII"},
		{"Idempotency-Key", "schlüssel", 400, "invalid-request", "visible ASCII"},
		{"Idempotency-Key", "\xff", 400, "invalid-request", "visible ASCII"},
		{"Idempotency-Key", strings.Repeat("k", 256), 400, "invalid-request", "255"},
		{"Idempotency-Key", "used", 422, "key-reused", "news"},

		{"Origin", "https://evil.example", 403, "foreign-origin", "evil.example"},
		{"Origin", "null", 403, "foreign-origin", "null"},
		{"Origin", "nonsense", 403, "foreign-origin", "nonsense"},
		{"Origin", "http://127.0.0.1:1", 403, "foreign-origin", "127.0.0.1:1"}, // another port is another origin
		{"Origin", "file://", 403, "foreign-origin", "file://"},
		{"Origin", "https://evil.example/\xff", 403, "foreign-origin", "evil.example"},
		{"Origin", "https://" + strings.Repeat("x", 5000), 403, "foreign-origin", "xxx"},
		{"Sec-Fetch-Site", "cross-site", 403, "foreign-origin", "page"},
	} {
		header := map[string]string{test.name: test.value}
		requests = append(requests, badRequest{request{path: "/events/news", body: "x", header: header}, test.status, test.problem, test.says})
		if test.name != "Content-Type" && test.value != "used" { // streamed bodies get the same refusal
			for _, streamed := range []request{
				{path: "/events/news", body: `{"data":"x"}`, header: contentTypeHeader("application/x-ndjson")},
				{path: "/events/news?end=1", body: "data: x\n\n", header: contentTypeHeader("text/event-stream")},
				{method: http.MethodPut, path: "/events/news?encoding=base64", body: "eA==", header: contentTypeHeader("image/png")},
			} {
				streamed.header[test.name] = test.value
				requests = append(requests, badRequest{streamed, test.status, test.problem, test.says})
			}
		}
	}
	refuse(t, requests)
}

// TestBadBodiesAreRefused: a body that is too large or not valid text stores nothing.
func TestBadBodiesAreRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		query, contentType, body string
		status                   int
		problem, says            string
	}{
		{"", "", "a\xffb", 400, "invalid-event", "byte 1"},
		{"", "text/plain", "abc\xc3", 400, "invalid-event", "byte 3"},
		{"", "text/plain; charset=shift_jis", "gr\xfc\xdfe", 400, "invalid-event", "shift_jis after 2 characters"},
		{"", "text/plain; charset=klingon", "x", 415, "unsupported-media-type", "klingon"},
		{"", "text/plain; charset", "\xc0\xaf", 400, "invalid-event", "byte 0"},
		{"", "application/json", `{"a":"` + "\xed\xa0\x80" + `"}`, 400, "invalid-event", "byte 6"},
		{"", "application/x-www-form-urlencoded", "\x80", 400, "invalid-event", "octet-stream"},
		{"", "application/atom+xml", "\xfe\xff", 400, "invalid-event", "UTF-8"},
		{"", "", strings.Repeat("x", 1001), 413, "too-large", "1000"},
		{"", "image/png", strings.Repeat("\xff", 1001), 413, "too-large", "1000"},
		{"", "", strings.Repeat("x", 1<<20), 413, "too-large", "1000"},
		{"&end=1", "", strings.Repeat("x", 1001), 413, "too-large", "1000"},
		{"&encoding=base64", "", base64.StdEncoding.EncodeToString(make([]byte, 1001)), 413, "too-large", "1000"},
		{"&encoding=base64", "", strings.Repeat("A", 2000), 413, "too-large", "1000"},
		{"&encoding=base64", "", "eA", 400, "invalid-event", "base64"},
		{"&encoding=base64", "", "eA==eA==", 400, "invalid-event", "base64"},
		{"&encoding=base64", "", "not base64!", 400, "invalid-event", "base64"},
		{"&encoding=base64", "", "_-8=", 400, "invalid-event", "base64"}, // the URL-safe alphabet
		{"&encoding=base64", "", " eHh4", 400, "invalid-event", "base64"},
		{"&encoding=base64", "application/x-ndjson", `{"data":"eA=="}`, 400, "invalid-request", "each line"},
		{"&encoding=base64", "text/event-stream", "data: eA==\n\n", 400, "invalid-request", "base64"},
	}
	each(t, &strict, func(s *site) {
		g := wantUntouched(s)
		for _, test := range tests {
			for _, body := range []io.Reader{strings.NewReader(test.body), io.MultiReader(strings.NewReader(test.body))} { // with and without Content-Length
				r := request{method: http.MethodPost, path: "/events?topic=news" + test.query, reader: body, header: contentTypeHeader(test.contentType)}
				what := r.path + " " + clipped(test.body)
				refused(g.T, what, g.send(r), test.status, test.problem, test.says)
				g.wantUnchanged(what)
			}
		}
		g.wantNoEvent()
	})
}

// TestABadEventStopsAStreamedBody: events before it are stored, events after it are not, and the problem says so.
func TestABadEventStopsAStreamedBody(t *testing.T) {
	t.Parallel()
	var many strings.Builder
	for range 1001 {
		many.WriteString(`"a",`)
	}
	type test struct {
		event         string
		status        int
		problem, says string
	}
	bodies := []struct {
		contentType, good string
		bad               []test
	}{
		{"application/x-ndjson", "{\"data\":\"good\"}\n", []test{
			{"nonsense\n", 400, "invalid-event", "invalid character"},
			{"null\n", 400, "invalid-event", "no data"},
			{"[]\n", 400, "invalid-event", "array"},
			{"\"text\"\n", 400, "invalid-event", "string"},
			{"{}\n", 400, "invalid-event", "no data"},
			{"{\"type\":\"x\"}\n", 400, "invalid-event", "no data"},
			{"{\"data\":\"x\"\n", 400, "invalid-event", "EOF"},
			{"{\"data\":\"x\"} {\"data\":\"y\"}\n", 400, "invalid-event", "follows"},
			{"{\"data\":\"x\"},\n", 400, "invalid-event", "follows"},
			{"\xef\xbb\xbf{\"data\":\"x\"}\n", 400, "invalid-event", "invalid character"},
			{"{\"data\":\"a\nb\"}\n", 400, "invalid-event", "EOF"},
			{"{\"data\":\"a\x00b\"}\n", 400, "invalid-event", "\\x00"},
			{"{\"data\":\"\xff\"}\n", 400, "invalid-event", "UTF-8 at byte 25"},
			{"{\"data\":{\"a\":\"\xed\xa0\x80\"}}\n", 400, "invalid-event", "UTF-8"},
			{"{\"data\":\"x\",\"topics\":\"a\"}\n", 400, "invalid-event", "topics"},
			{"{\"data\":\"x\",\"topic\":[\"a\"]}\n", 400, "invalid-event", "topic"},
			{"{\"data\":\"x\",\"topic\":\"\"}\n", 400, "invalid-topic", "empty"},
			{"{\"data\":\"x\",\"topics\":[]}\n", 400, "invalid-topic", "no topic"},
			{"{\"data\":\"x\",\"topics\":[\"a\",\"\"]}\n", 400, "invalid-topic", "empty"},
			{"{\"data\":\"x\",\"topics\":[\"a\",\"a\"]}\n", 400, "invalid-topic", "twice"},
			{"{\"data\":\"x\",\"topics\":[" + many.String() + "\"a\"]}\n", 400, "too-many-topics", "1002"},
			{"{\"data\":\"x\",\"topic\":\"a\\u0000b\"}\n", 400, "invalid-topic", "U+0000"},
			{"{\"data\":\"x\",\"topic\":\"over\"}\n", 409, "ended", "over"},
			{"{\"data\":\"x\",\"type\":\"tidings.checkpoint\"}\n", 400, "invalid-event", "reserved"},
			{"{\"data\":\"x\",\"type\":\"tidings.end\",\"id\":\"abcde-9\"}\n", 400, "invalid-event", "reserved"},
			{"{\"data\":\"x\",\"type\":\"a\\nid: abcde-9\"}\n", 400, "invalid-event", "control character"},
			{"{\"data\":\"x\",\"type\":7}\n", 400, "invalid-event", "type"},
			{"{\"data\":\"x\",\"key\":\"a b\"}\n", 400, "invalid-request", "visible ASCII"},
			{"{\"data\":\"x\",\"key\":\"" + strings.Repeat("k", 256) + "\"}\n", 400, "invalid-event", "255"},
			{"{\"data\":\"x\",\"key\":\"used\",\"topic\":\"news\"}\n", 422, "key-reused", "news"},
			{"{\"data\":\"x\",\"end\":\"yes\"}\n", 400, "invalid-event", "end"},
			{"{\"data\":\"x\",\"retry\":1}\n", 400, "invalid-event", "retry"},
			{"{\"data\":\"x\",\"tpye\":\"note\"}\n", 400, "invalid-event", "tpye"},
			{"{\"data\":\"x\",\"encoding\":\"gzip\"}\n", 400, "invalid-event", "gzip"},
			{"{\"data\":\"x\",\"encoding\":\"base64\"}\n", 400, "invalid-event", "base64"},
			{"{\"data\":1234,\"encoding\":\"base64\"}\n", 400, "invalid-event", "not a string"},
			{"{\"data\":\"" + strings.Repeat("x", 1001) + "\"}\n", 413, "too-large", "1000"},
			{"{\"data\":\"" + strings.Repeat("x", 100_000) + "\"}\n", 413, "too-large", "bytes"},
			{strings.Repeat(" ", 100_000) + "\n", 413, "too-large", "line"},
			{strings.Repeat("[", 50_000) + "\n", 400, "invalid-event", "depth"},
		}},
		{"text/event-stream", "data: good\n\n", []test{
			{"event: tidings.checkpoint\nid: abcde-9\ndata\n\n", 400, "invalid-event", "reserved"},
			{"event: tidings.end\ndata: {\"topic\":\"news\"}\n\n", 400, "invalid-event", "reserved"},
			{"event: a\x00b\ndata: x\n\n", 400, "invalid-event", "control character"},
			{"event: a\tb\ndata: x\n\n", 400, "invalid-event", "control character"},
			{"event: " + strings.Repeat("x", 1025) + "\ndata: x\n\n", 413, "too-large", "1025"},
			{"event: " + strings.Repeat("x", 100_000) + "\ndata: x\n\n", 413, "too-large", "1000"},
			{"data: " + strings.Repeat("x", 1001) + "\n\n", 413, "too-large", "1000"},
			{strings.Repeat("data: x\n", 600) + "\n", 413, "too-large", "1000"},
			{"data: " + strings.Repeat("x", 100_000) + "\n\n", 413, "too-large", "1000"},
			{"data: \xff\n\n", 400, "invalid-event", "UTF-8 at byte 18"},
			{": \xff\ndata: x\n\n", 400, "invalid-event", "UTF-8 at byte 14"},
			{"data: \xe2\x82\n\n", 400, "invalid-event", "UTF-8 at byte 18"},
		}},
	}
	each(t, &strict, func(s *site) {
		g := wantUntouched(s)
		for _, body := range bodies {
			for _, bad := range body.bad {
				for before := range 2 {
					text := strings.Repeat(body.good, before) + bad.event + body.good
					a := g.send(request{path: "/events/stream?end=1", body: text, header: contentTypeHeader(body.contentType)})
					what := clipped(text)
					says := bad.says
					if before == 0 && strings.Contains(says, " at byte ") {
						says = "UTF-8" // the invalid bytes are at another place
					}
					p := refused(g.T, what, a, bad.status, bad.problem, says)
					for range before {
						g.follower.want("good")
						g.events = append(g.events, "stream good")
						g.head.Seq++
					}
					if p.Stored == nil || *p.Stored != before || before > 0 && p.Last != g.head.String() {
						g.Errorf("%s: the answer tells of %s", what, a.body)
					}
					g.wantUnchanged(what)
				}
			}
		}
		g.wantNoEvent()
	})
}

// TestIncompleteLastEventIsRefused: a complete body may end in the middle of an event. The hub reports it, because the event is not stored.
func TestIncompleteLastEventIsRefused(t *testing.T) {
	t.Parallel()
	var requests []badRequest
	for _, test := range []struct{ contentType, body, says string }{
		{"application/x-ndjson", `{"data":"x"`, "EOF"},
		{"application/x-ndjson", `{"data":"`, "EOF"},
		{"application/x-ndjson", "{\"data\":\"\xe2\x82", "UTF-8"},
		{"text/event-stream", "da", `"da"`},
		{"text/event-stream", "event: x\nda", `"da"`},
		{"text/event-stream", "{\"error\":1}\n", "not a field"},
		{"text/event-stream", "<html>\n</html>\n\n", "not a field"},
		{"text/event-stream", ": a\n\nevent: x\n", "without data"},
		{"text/event-stream", "data:\n", "without data"},
		{"text/event-stream", "data: \xe2\x82", "UTF-8"},
	} {
		requests = append(requests, badRequest{
			request{path: "/events/news?end=1", body: test.body, header: contentTypeHeader(test.contentType)}, http.StatusBadRequest, "invalid-event", test.says,
		})
	}
	requests = append(requests, badRequest{
		request{path: "/events?end=1", body: `{"topic":"a","data":"x"}`, header: contentTypeHeader("application/x-ndjson")}, http.StatusBadRequest, "invalid-request", "there are none",
	}, badRequest{
		request{path: "/events", body: "data: x\n\n", header: contentTypeHeader("text/event-stream")}, http.StatusBadRequest, "invalid-topic", "no topic",
	})
	refuse(t, requests)
}

// TestBadFormOfAQueryIsRefused: the refusal comes before the stream begins.
func TestBadFormOfAQueryIsRefused(t *testing.T) {
	t.Parallel()
	form := "application/x-www-form-urlencoded"
	var requests []badRequest
	for _, test := range []struct {
		contentType, coding, body string
		status                    int
		problem, says             string
	}{
		{"", "", "topic=news", 415, "unsupported-media-type", form},
		{"application/json", "", `{"topic":"news"}`, 415, "unsupported-media-type", form},
		{"multipart/form-data; boundary=x", "", "", 415, "unsupported-media-type", form},
		{"text/plain", "", "topic=news", 415, "unsupported-media-type", form},
		{"nonsense", "", "topic=news", 415, "unsupported-media-type", "nonsense"},
		{form, "gzip", "\x1f\x8b", 400, "invalid-event", "gzip"},
		{form, "br", "\x1f\x8b", 415, "unsupported-media-type", "br"},
		{form, "", "topic=%zz", 400, "invalid-request", "%zz"},
		{form, "", "topic=a;b", 400, "invalid-request", "semicolon"},
		{form, "", "topic=\xff", 400, "invalid-topic", "UTF-8"},
		{form, "", "topic=a\n", 400, "invalid-topic", "U+000A"}, // curl -d @file removes newlines; other clients do not
		{form, "", `{"topic":"news"}`, 400, "invalid-request", "is unknown"},
		{form, "", strings.Repeat("&topic=a", 11), 400, "too-many-topics", "11"},
		{form, "", "topic=" + strings.Repeat("a", 4<<20), 413, "too-large", "form"},
	} {
		header := contentTypeHeader(test.contentType)
		if test.coding != "" {
			header["Content-Encoding"] = test.coding
		}
		for _, path := range []string{"/events", "/events/news"} {
			if strings.Count(test.body, "topic=a") > 10 && path != "/events" {
				continue // with the topic of the path there are twelve topics
			}
			requests = append(requests, badRequest{request{method: "QUERY", path: path, body: test.body, header: header}, test.status, test.problem, test.says})
		}
	}
	refuse(t, requests)
}

// TestDataCannotForgeEvents: data with line breaks and field names stays data for every subscriber.
func TestDataCannotForgeEvents(t *testing.T) {
	t.Parallel()
	each(t, nil, func(s *site) {
		plain, enveloped := s.follow("/events/news", nil), s.follow("/events/news?format=envelope", nil)
		for _, forged := range []string{
			"x\n\nevent: tidings.gap\nid: abcde-9\ndata: {}\n\n", "x\r\revent: tidings.end\rdata: {}\r\r", "x\r\n\r\nretry: 1\r\n\r\n",
			"\n\n", ":\n", "\x00\nid: abcde-9\n\n", "\ufeffdata: x\n\n", "x\u2028\u2028event: y\u0085", "id: abcde-9",
		} {
			s.hubPublish(hub.Event{Topics: []string{"news"}, Data: forged})
			data := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(forged)
			if e := plain.want(data); e.ID != s.log.Head().String() || e.Retry != 0 {
				s.Errorf("%q arrives as %+v", forged, e)
			}
			e := enveloped.next()
			for e.Type == "tidings.checkpoint" {
				e = enveloped.next()
			}
			var got wire.Envelope
			if err := json.Unmarshal([]byte(e.Data), &got); err != nil || got.Data != data || e.Type != "message" || e.ID != s.log.Head().String() {
				s.Errorf("%q arrives as %+v (%v)", forged, e, err)
			}
		}
	})
}
