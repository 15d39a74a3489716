package hub_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/eventlog"
)

// TestBadParametersOfASubscriptionAreRefused in the URL and in the form of a QUERY. A hub that ignored a misspelt parameter would look as if
// it had obeyed.
func TestBadParametersOfASubscriptionAreRefused(t *testing.T) {
	t.Parallel()
	form := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	var requests []badRequest
	for _, test := range []struct{ query, problem, says string }{
		{"topics=news", "invalid-request", `"topics"`},
		{"topic=news&Last=5", "invalid-request", `"Last"`},
		{"type=note", "invalid-request", `"type"`},
		{"end=1", "invalid-request", `"end"`},
		{"encoding=base64", "invalid-request", `"encoding"`},
		{"limit=5", "invalid-request", "poll=1"},
		{"=news", "invalid-request", `""`},
		{"%00=1", "invalid-request", `"\x00"`},
		{"%FF=1", "invalid-request", `"\xff"`},
		{strings.Repeat("x", 5000) + "=1", "invalid-request", "is unknown"},
		{"topic=%zz", "invalid-request", "%zz"},
		{"topic=%", "invalid-request", "%"},
		{"topic=a;last=1", "invalid-request", "semicolon"},

		{"topic=", "invalid-topic", "empty"},
		{"topic", "invalid-topic", "empty"},
		{"topic=news&topic=", "invalid-topic", "empty"},
		{"topic=a%00", "invalid-topic", "U+0000"},
		{"topic=a%0D%0Aevent:x", "invalid-topic", "U+000D"},
		{"topic=%FF", "invalid-topic", "UTF-8"},
		{"topic=a%E2%80%8Bb", "invalid-topic", "U+200B"},
		{"topic=a*", "invalid-topic", "*"},
		{"topic=a/**/b", "invalid-topic", "**"},
		{"topic=" + strings.Repeat("*/", 511) + "*", "invalid-topic", "512 segments"},
		{"topic=" + strings.Repeat("a/", eventlog.MaxSegments) + "**", "invalid-topic", "65 segments"},
		{"topic=" + strings.Repeat("x", eventlog.MaxName+1), "invalid-topic", "1024"},
		{"exact=", "invalid-topic", "empty"},
		{"exact=" + strings.Repeat("x", eventlog.MaxTopic+1), "invalid-topic", "8192"},
		{strings.Repeat("&topic=a", 11), "too-many-topics", "11"},
		{strings.Repeat("&topic=a", 6) + strings.Repeat("&exact=a", 5), "too-many-topics", "11"},

		{"since=", "invalid-request", "since="},
		{"since=-5m", "invalid-request", "since=-5m"},
		{"since=-1d", "invalid-request", "since=-1d"},
		{"since=yesterday", "invalid-request", "since=yesterday"},
		{"since=10", "invalid-request", "since=10"},
		{"since=1e9h", "invalid-request", "since=1e9h"},
		{"since=9999999h", "invalid-request", "since=9999999h"},
		{"since=70000d", "invalid-request", "since=70000d"},
		{"since=NaN", "invalid-request", "since=NaN"},
		{"since=2026-13-01T00:00:00Z", "invalid-request", "since=2026-13-01"},
		{"since=2026-11-22", "invalid-request", "since=2026-11-22"},
		{"since=2026-11-22T10:00:00+01:00", "invalid-request", "%2B"}, // the + is a space
		{"since=%00%FF", "invalid-request", "since="},
		{"since=" + strings.Repeat("9", 5000) + "h", "invalid-request", "since=99"},
		{"since=1h&since=2h", "invalid-request", "2 times"},
		{"last=", "invalid-request", "last="},
		{"last=-1", "invalid-request", "last=-1"},
		{"last=1.5", "invalid-request", "last=1.5"},
		{"last=1e3", "invalid-request", "last=1e3"},
		{"last=0x10", "invalid-request", "last=0x10"},
		{"last=%205", "invalid-request", "last="},
		{"last=100001", "invalid-request", "100000"},
		{"last=18446744073709551616", "invalid-request", "last=18446744073709551616"},
		{"last=1&last=1", "invalid-request", "2 times"},
		{"since=1h&last=1", "invalid-request", "exclude"},
		{"since=earliest&last=0", "invalid-request", "exclude"},

		{"poll=2", "invalid-request", "poll=2"},
		{"poll=yes", "invalid-request", "poll=yes"},
		{"poll=1&poll=0", "invalid-request", "2 times"},
		{"format=json", "invalid-request", "format=json"},
		{"format=ENVELOPE", "invalid-request", "format=ENVELOPE"},
		{"format=plain&format=envelope", "invalid-request", "2 times"},
		{"on_gap=explode", "invalid-request", "on_gap=explode"},
		{"on_gap=fail&on_gap=tell", "invalid-request", "2 times"},
	} {
		requests = append(requests,
			badRequest{request{path: "/events?" + test.query}, http.StatusBadRequest, test.problem, test.says},
			badRequest{request{method: "QUERY", path: "/events", body: test.query, header: form}, http.StatusBadRequest, test.problem, test.says})
	}
	requests = append(requests,
		badRequest{request{path: "/events/a?" + strings.Repeat("&topic=a", 10)}, http.StatusBadRequest, "too-many-topics", "11"},
		badRequest{request{method: "QUERY", path: "/events?last=1", body: "last=2", header: form}, http.StatusBadRequest, "invalid-request", "2 times"},
		badRequest{request{method: "QUERY", path: "/events?topic=", body: "topic=a", header: form}, http.StatusBadRequest, "invalid-topic", "empty"})
	refuse(t, requests)
}

// TestBadParametersOfAPublicationAreRefused: the refusal comes before the hub reads the body.
func TestBadParametersOfAPublicationAreRefused(t *testing.T) {
	t.Parallel()
	var many strings.Builder
	for i := range eventlog.MaxTopics + 1 {
		_, _ = fmt.Fprintf(&many, "&topic=%d", i)
	}
	var requests []badRequest
	for _, test := range []struct {
		query         string
		status        int
		problem, says string
	}{
		{"", 400, "invalid-topic", "name the topic"},
		{"topic=", 400, "invalid-topic", "empty"},
		{"topic=a&topic=", 400, "invalid-topic", "empty"},
		{"topic=a&topic=a", 400, "invalid-topic", "twice"},
		{"topic=%FF", 400, "invalid-topic", "UTF-8"},
		{"topic=a%0Ab", 400, "invalid-topic", "U+000A"},
		{"topic=a/*", 400, "invalid-topic", "pattern"},
		{"topic=" + strings.Repeat("x", eventlog.MaxName+1), 400, "invalid-topic", "1024"},
		{many.String()[1:], 400, "too-many-topics", "1001"},
		{"exact=a", 400, "invalid-request", `"exact"`},
		{"topic=a&exact=a", 400, "invalid-request", `"exact"`},
		{"topic=a&poll=1", 400, "invalid-request", `"poll"`},
		{"topic=a&id=abcde-1", 400, "invalid-request", `"id"`},
		{"topic=a&retry=1", 400, "invalid-request", `"retry"`},
		{"topic=a&Type=note", 400, "invalid-request", `"Type"`},
		{"topic=a&last_event_id=abcde-1", 400, "invalid-request", `"last_event_id"`},

		{"topic=a&type=tidings.checkpoint", 400, "invalid-event", "tidings.checkpoint"},
		{"topic=a&type=tidings.gap", 400, "invalid-event", "tidings.gap"},
		{"topic=a&type=tidings.", 400, "invalid-event", "reserved"},
		{"topic=a&type=tidings.unheard.of", 400, "invalid-event", "reserved"},
		{"topic=a&type=x%0Adata:forged", 400, "invalid-event", "control character"},
		{"topic=a&type=x%0Did:abcde-9", 400, "invalid-event", "control character"},
		{"topic=a&type=%00", 400, "invalid-event", "control character"},
		{"topic=a&type=%C2%85", 400, "invalid-event", "control character"},
		{"topic=a&type=%FF", 400, "invalid-event", "UTF-8"},
		{"topic=a&type=a&type=b", 400, "invalid-request", "2 times"},
		{"topic=a&type=" + strings.Repeat("x", 1025), 413, "too-large", "1025"},
		{"topic=a&encoding=gzip", 400, "invalid-request", "encoding=gzip"},
		{"topic=a&encoding=", 400, "invalid-request", "base64"},
		{"topic=a&encoding=BASE64", 400, "invalid-request", "base64"},
		{"topic=a&encoding=base64&encoding=base64", 400, "invalid-request", "2 times"},
		{"topic=a&end=2", 400, "invalid-request", "end=2"},
		{"topic=a&end=1&end=1", 400, "invalid-request", "2 times"},
		{"topic=over", 409, "ended", "over"},
		{"topic=news&topic=over", 409, "ended", "over"},
		{"topic=over&end=1", 409, "ended", "over"},
	} {
		requests = append(requests, badRequest{request{path: "/events?" + test.query, body: "x"}, test.status, test.problem, test.says})
	}
	for _, path := range []string{"/events/over", "/events/news?topic=over"} {
		requests = append(requests, badRequest{request{method: http.MethodPut, path: path}, http.StatusConflict, "ended", "over"})
	}
	refuse(t, append(requests, badRequest{request{path: "/events/a?topic=a", body: "x"}, http.StatusBadRequest, "invalid-topic", "twice"}))
}

func TestBadParametersOfTheTopicListAreRefused(t *testing.T) {
	t.Parallel()
	var requests []badRequest
	for _, test := range []struct{ query, problem, says string }{
		{"limit=0", "invalid-request", "limit=0"},
		{"limit=-1", "invalid-request", "limit=-1"},
		{"limit=10001", "invalid-request", "10000"},
		{"limit=99999999999999999999", "invalid-request", "limit=9999"},
		{"limit=", "invalid-request", "limit="},
		{"limit=ten", "invalid-request", "limit=ten"},
		{"limit=5&limit=5", "invalid-request", "2 times"},
		{"pattern=", "invalid-topic", "empty"},
		{"pattern=a*", "invalid-topic", "*"},
		{"pattern=%FF", "invalid-topic", "UTF-8"},
		{"pattern=a&pattern=b", "invalid-request", "2 times"},
		{"after=a&after=b", "invalid-request", "2 times"},
		{"topic=a", "invalid-request", `"topic"`},
	} {
		requests = append(requests, badRequest{request{path: "/api/v1/topics?" + test.query}, http.StatusBadRequest, test.problem, test.says})
	}
	refuse(t, requests)
}
