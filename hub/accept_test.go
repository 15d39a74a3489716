package hub_test

import (
	"fmt"
	"net/http"
	"testing"
)

// TestAcceptSelectsTheStreamFormat: the weights in Accept decide (RFC 9110, section 12.5.1).
func TestAcceptSelectsTheStreamFormat(t *testing.T) {
	t.Parallel()
	const stream, lines, neither = "text/event-stream", "application/x-ndjson", "application/problem+json"
	s := serve(t, mustMemory(t, nil), nil, transports[0])
	s.post("news", "hello")
	for accept, want := range map[string]string{
		"": stream, "*/*": stream, "text/event-stream": stream, "text/*": stream,
		"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8": stream,
		"application/x-ndjson": lines, "APPLICATION/X-NDJSON": lines, "application/jsonl": lines, "application/ndjson; charset=utf-8": lines,

		// A weight of 0 excludes a type at any place in the list.
		"application/x-ndjson;q=0":                       stream,
		"application/x-ndjson; q=0.000":                  stream,
		"application/x-ndjson ; Q=0":                     stream,
		"application/x-ndjson;q=0, */*":                  stream,
		"*/*, application/jsonl;q=0":                     stream,
		"application/*;q=0":                              stream,
		"application/*;q=0, */*":                         stream,
		"application/x-ndjson;profile=a;q=0, text/*":     stream,
		"text/event-stream;q=0":                          lines,
		"text/event-stream;q=0, */*":                     lines,
		"text/*;q=0, */*;q=0.1":                          lines,
		"*/*;q=0, application/x-ndjson;q=0.001":          lines,
		"*/*;q=0, text/event-stream":                     stream,
		"*/*;q=0":                                        neither,
		"text/event-stream;q=0,application/x-ndjson;q=0": neither,
		"text/*;q=0, application/*;q=0":                  neither,
		"*/*;q=0, text/html":                             neither,

		// The larger weight wins. The most precise range that covers a type gives its weight.
		"text/event-stream, application/x-ndjson;q=0.5":                     stream,
		"text/event-stream;q=0.5, application/x-ndjson":                     lines,
		"application/x-ndjson;q=0.2, */*;q=0.8":                             stream,
		"application/x-ndjson;q=0.8, */*;q=0.2":                             lines,
		"text/*;q=0.9, text/event-stream;q=0.1, application/x-ndjson;q=0.5": lines,
		"text/*;q=0.1, text/event-stream;q=0.9, application/x-ndjson;q=0.5": stream,
		"application/*;q=0.9, application/x-ndjson;q=0.1, text/*;q=0.5":     stream,
		"application/*": lines,
		"application/x-ndjson;q=0, application/jsonl":           lines, // another name of it
		"application/x-ndjson;q=0, application/*, text/*;q=0.5": stream,

		// With equal weights the hub sends NDJSON only if Accept names it.
		"text/event-stream, application/x-ndjson": lines,
		"application/x-ndjson, */*":               lines,
		"application/x-ndjson;q=0.5, */*;q=0.5":   lines,
		"application/*, text/*":                   stream,
		"application/json, text/plain, */*":       stream,
		"application/json":                        stream, // neither format is acceptable: the hub sends its default
		"text/html":                               stream,

		// Invalid elements are skipped, and separators inside quotes do not count.
		", ,application/x-ndjson;q=0.5,,":                       lines,
		`text/plain;a="x,application/x-ndjson", */*`:            stream,
		`text/plain;a="\",application/x-ndjson;q=1", */*;q=0.5`: stream,
		`application/x-ndjson;a="q=0;"`:                         lines,
		"ndjson":                                                stream,
		"application/x-ndjson;q=lots":                           stream,
		"application/x-ndjson;q=":                               stream,
		"application/x-ndjson;q=NaN":                            stream,
		"application/x-ndjson;q=2":                              lines,
		"application/x-ndjson;q=-1":                             stream,
		"*/event-stream;q=0":                                    stream,
		"application/x-ndjson;q=0.5;q=0":                        lines, // the first is the weight (RFC 9110, section 12.4.2)
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead, "QUERY"} {
			r := request{method: method, path: "/events/news?poll=1", header: map[string]string{"Accept": accept}}
			if method == "QUERY" {
				r.body = "last=1"
				r.header["Content-Type"] = "application/x-www-form-urlencoded"
			}
			a := s.send(r)
			if got := a.header.Get("Content-Type"); got != want || (a.status == http.StatusNotAcceptable) != (want == neither) {
				t.Errorf("%s with Accept: %s: %d %s, want %s", method, accept, a.status, got, want)
			}
		}
	}
	refused(t, "*/*;q=0", s.send(request{path: "/events/news", header: map[string]string{"Accept": "*/*;q=0"}}), http.StatusNotAcceptable, "not-acceptable", "weight")
}

// TestSeveralLinesOfAcceptAreOneList: a client may split Accept into several lines.
func TestSeveralLinesOfAcceptAreOneList(t *testing.T) {
	t.Parallel()
	s := serve(t, mustMemory(t, nil), nil, transports[0])
	for want, lines := range map[string][]string{
		"application/x-ndjson": {"text/event-stream;q=0.1", "application/x-ndjson"},
		"text/event-stream":    {"application/x-ndjson;q=0.1", "text/event-stream"},
	} {
		resp, err := s.do(t.Context(), request{path: "/events/news?poll=1"}, func(r *http.Request) { r.Header["Accept"] = lines })
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if got := resp.Header.Get("Content-Type"); got != want {
			t.Errorf("%q: %s", lines, got)
		}
	}
}

// TestOnlyStreamsAreNegotiated: receipts, lists and problems have one type each; Accept does not change it.
func TestOnlyStreamsAreNegotiated(t *testing.T) {
	t.Parallel()
	s := serve(t, mustMemory(t, nil), nil, transports[0])
	for _, accept := range []string{"*/*;q=0", "application/json;q=0", "text/plain"} {
		header := map[string]string{"Accept": accept}
		for _, test := range []struct {
			r    request
			want string
		}{
			{request{path: "/events/news", body: "x"}, "200 application/json"},
			{request{path: "/api/v1/topics"}, "200 application/json"},
			{request{path: "/events/news?nonsense=1", body: "x"}, "400 application/problem+json"},
		} {
			test.r.header = header
			a := s.send(test.r)
			if got := fmt.Sprint(a.status, " ", a.header.Get("Content-Type")); got != test.want {
				t.Errorf("Accept: %s: %s %s: %s", accept, test.r.method, test.r.path, got)
			}
		}
	}
}
