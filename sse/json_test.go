package sse_test

import (
	"errors"
	"io"
	"iter"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/sse"
)

func TestJSONDistinguishesTruncatedFromCompleteStreams(t *testing.T) {
	type delta struct {
		Text string `json:"text"`
	}
	openAI := &sse.JSONOptions{Done: sse.WithData("[DONE]")}
	anthropic := &sse.JSONOptions{Done: sse.OfType("message_stop")}
	tests := []struct {
		name, stream string
		options      *sse.JSONOptions
		want         string
		wantErr      func(error) bool
	}{
		{"whole", "data: {\"text\":\"a\"}\n\ndata: {\"text\":\"b\"}\n\ndata: [DONE]\n\n", openAI, "ab", nil},
		{"nothing counts after the sentinel", "data: {\"text\":\"a\"}\n\ndata: [DONE]\n\ndata: junk\n\n", openAI, "a", nil},
		{"cut between events", "data: {\"text\":\"a\"}\n\n", openAI, "a", isTruncated},
		{"cut inside an event", "data: {\"text\":\"a\"}\n\ndata: {\"te", openAI, "a", isTruncated},
		{"empty", "", openAI, "", isTruncated},
		{"whole by type", "data: {\"text\":\"a\"}\n\nevent: message_stop\ndata: {\"text\":\".\"}\n\n", anthropic, "a.", nil},
		{"cut by type", "data: {\"text\":\"a\"}\n\n", anthropic, "a", isTruncated},
		{"no sentinel expected", "data: {\"text\":\"a\"}\n\n", nil, "a", nil},
		{"error event", "data: {\"text\":\"a\"}\n\nevent: error\ndata: overloaded\n\ndata: {}\n\n", openAI, "a", isType[*sse.EventError]},
		{"not JSON", "data: {\"text\":\"a\"}\n\ndata: <html>\n\ndata: {}\n\n", openAI, "a", isType[*sse.JSONError]},
		{"wrong type", "data: {\"text\":1}\n\n", openAI, "", isType[*sse.JSONError]},
		{"own error rule", "data: {\"text\":\"a\"}\n\ndata: {\"error\":1}\n\n", &sse.JSONOptions{Error: func(e sse.Event) error {
			if strings.Contains(e.Data, "error") {
				return io.ErrClosedPipe
			}
			return nil
		}}, "a", func(err error) bool { return errors.Is(err, io.ErrClosedPipe) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, last := "", error(nil)
			for m, err := range sse.JSON[delta](sse.Read(strings.NewReader(test.stream), nil), test.options) {
				if last != nil {
					t.Fatal("there is more after the error")
				}
				if last = err; err == nil {
					got += m.Value.Text
				}
			}
			if got != test.want || (last != nil) != (test.wantErr != nil) || last != nil && !test.wantErr(last) {
				t.Errorf("got %q, %v", got, last)
			}
		})
	}
}

// text is the value type of most cases.
type text struct {
	Text string `json:"text"`
}

// readJSON decodes a stream and returns its texts and the error that ended it.
func readJSON(stream string, o *sse.JSONOptions) (texts []string, err error) {
	return textsOf(sse.Read(strings.NewReader(stream), nil), o)
}

func textsOf(events iter.Seq2[sse.Event, error], o *sse.JSONOptions) (texts []string, err error) {
	for m, e := range sse.JSON[text](events, o) {
		if e != nil {
			return texts, e
		}
		texts = append(texts, m.Value.Text)
	}
	return texts, nil
}

func TestJSONSkipsEventsWithoutAValue(t *testing.T) {
	for name, event := range map[string]string{
		"empty data":        "data:\n\n",
		"blank data":        "data:   \n\n",
		"empty lines":       "data\ndata\n\n",
		"empty with type":   "event: opened\ndata:\n\n",
		"retry alone":       "retry: 1000\n\n",
		"checkpoint":        "event: tidings.checkpoint\ndata: {}\nid: k3f9a-1\n\n",
		"empty checkpoint":  "id: k3f9a-1\nevent: tidings.checkpoint\ndata:\n\n",
		"gap":               "event: tidings.gap\ndata: {\"reason\":\"reset\"}\n\n",
		"end":               "event: tidings.end\ndata: {\"topic\":\"a\"}\n\n",
		"ping without data": "event: ping\ndata:\n\n",
		"ping with text":    "event: ping\ndata: 2026-11-28T18:00:00Z\n\n",
		"ping with number":  "event: ping\ndata: 17\n\n",
		"heartbeat":         "event: heartbeat\ndata: alive\n\n",
	} {
		t.Run(name, func(t *testing.T) {
			stream := event + "data: {\"text\":\"a\"}\n\n" + event + "data: {\"text\":\"b\"}\n\n" + event + "data: [DONE]\n\n"
			texts, err := readJSON(stream, &sse.JSONOptions{Done: sse.WithData("[DONE]")})
			if err != nil || !slices.Equal(texts, []string{"a", "b"}) {
				t.Errorf("got %q, %v", texts, err)
			}
		})
	}
}

// TestJSONYieldsEveryEventThatDecodes: a program's own event of type ping may hold a value.
func TestJSONYieldsEveryEventThatDecodes(t *testing.T) {
	texts, err := readJSON("event: ping\ndata: {\"text\":\"a\"}\n\nevent: tidings\ndata: {\"text\":\"b\"}\n\n", nil)
	if err != nil || !slices.Equal(texts, []string{"a", "b"}) {
		t.Errorf("got %q, %v", texts, err)
	}
}

func TestUndecodableEventIsAnErrorThatNamesIt(t *testing.T) {
	for _, data := range []string{"17", `"text"`, "true", "[1]", "<html>", "{", `{"text":1}`} {
		stream := "data: {\"text\":\"a\"}\n\nevent: odd\ndata: " + data + "\n\ndata: {\"text\":\"b\"}\n\n"
		texts, err := readJSON(stream, nil)
		failure, ok := errors.AsType[*sse.JSONError](err)
		if !slices.Equal(texts, []string{"a"}) || !ok || failure.Event.Type != "odd" || failure.Event.Data != data || !strings.Contains(err.Error(), `"odd"`) {
			t.Errorf("%s: got %q, %v", data, texts, err)
		}

		var odd []string
		texts, err = readJSON(stream, &sse.JSONOptions{Undecodable: func(e *sse.JSONError) error {
			odd = append(odd, e.Event.Data)
			return nil
		}})
		if err != nil || !slices.Equal(texts, []string{"a", "b"}) || !slices.Equal(odd, []string{data}) {
			t.Errorf("%s: with a handler got %q and %q, %v", data, texts, odd, err)
		}

		texts, err = readJSON(stream, &sse.JSONOptions{Undecodable: func(*sse.JSONError) error { return io.ErrNoProgress }})
		if !errors.Is(err, io.ErrNoProgress) || !slices.Equal(texts, []string{"a"}) {
			t.Errorf("%s: with a handler that gives up got %q, %v", data, texts, err)
		}

		texts, err = readJSON(stream, &sse.JSONOptions{Skip: sse.OfType("odd")})
		if err != nil || !slices.Equal(texts, []string{"a", "b"}) {
			t.Errorf("%s: skipped, got %q, %v", data, texts, err)
		}
	}
}

// TestSkipHidesNeitherEndNorError: a Skip that skips everything but text must not hide the final event or an error.
func TestSkipHidesNeitherEndNorError(t *testing.T) {
	o := &sse.JSONOptions{Error: sse.ErrorMember, Done: sse.OfType("stop"), Skip: func(e sse.Event) bool { return e.Type != "delta" }}
	texts, err := readJSON("event: delta\ndata: {\"text\":\"a\"}\n\nevent: other\ndata: 1\n\nevent: stop\ndata: {}\n\n", o)
	if err != nil || !slices.Equal(texts, []string{"a"}) {
		t.Errorf("got %q, %v", texts, err)
	}
	if _, err := readJSON("event: error\ndata: {\"error\":\"m\"}\n\n", o); !isType[*sse.EventError](err) {
		t.Errorf("the error is %v", err)
	}
}

func TestSkipSeesTheGapsOfAHub(t *testing.T) {
	gaps := 0
	_, err := readJSON("event: tidings.gap\ndata: {\"reason\":\"trimmed\"}\n\n", &sse.JSONOptions{Skip: func(e sse.Event) bool {
		if e.Type == "tidings.gap" {
			gaps++
		}
		return false
	}})
	if err != nil || gaps != 1 {
		t.Errorf("saw %d gaps, %v", gaps, err)
	}
}

func TestEveryKindOfFinalEventIsFound(t *testing.T) {
	responses := sse.OfType("response.completed", "response.incomplete", "response.failed")
	marks := sse.WithData("[DONE]", "END")
	tests := map[string]struct {
		end  string
		done func(sse.Event) bool
		want string // the text of the final event
	}{
		"completed":            {"event: response.completed\ndata: {\"text\":\"z\"}\n\n", responses, "z"},
		"incomplete":           {"event: response.incomplete\ndata: {\"text\":\"z\"}\n\n", responses, "z"},
		"failed":               {"event: response.failed\ndata: {\"text\":\"z\"}\n\n", responses, "z"},
		"type in JSON only":    {"data: {\"text\":\"z\",\"type\":\"response.completed\"}\n\n", responses, "z"},
		"type in second line":  {"data: {\"text\":\"z\",\ndata: \"type\":\"response.completed\"}\n\n", responses, "z"},
		"mark":                 {"data: [DONE]\n\n", marks, ""},
		"mark without space":   {"data:[DONE]\n\n", marks, ""},
		"mark with blanks":     {"data:  \t[DONE] \n\n", marks, ""},
		"mark among lines":     {"data:\ndata: [DONE]\ndata:\n\n", marks, ""},
		"second mark":          {"data: END\n\n", marks, ""},
		"type with a mark":     {"event: stop\ndata: [DONE]\n\n", sse.OfType("stop"), ""},
		"type with text":       {"event: stop\ndata: bye\n\n", sse.OfType("stop"), ""},
		"type with null":       {"event: stop\ndata: null\n\n", sse.OfType("stop"), ""},
		"type without data":    {"event: stop\ndata:\n\n", sse.OfType("stop"), ""},
		"any predicate":        {"data: {\"text\":\"z\",\"finishReason\":\"STOP\"}\n\n", hasFinishReason, "z"},
		"no blank line":        {"data: [DONE]\n", marks, ""},
		"no line end":          {"data: [DONE]", marks, ""},
		"no blank line, CR":    {"data: [DONE]\r", marks, ""},
		"no blank line, type":  {"event: response.completed\ndata: {\"text\":\"z\"}\n", responses, "z"},
		"no line end, type":    {"event: response.completed\ndata: {\"text\":\"z\"}", responses, "z"},
		"no line end, in JSON": {"data: {\"text\":\"z\",\"type\":\"response.failed\"}", responses, "z"},
		"no data, no blank":    {"event: stop\n", sse.OfType("stop"), ""},
		"no data":              {"event: stop\n\n", sse.OfType("stop"), ""},
		"no data, CRLF":        {"event: stop\r\n\r\n", sse.OfType("stop"), ""},
		"no data, CR":          {"event: stop\r\r", sse.OfType("stop"), ""},
		"no data but an id":    {"event: stop\nid: 7\nretry: 5\n\n", sse.OfType("stop"), ""},
		"no data, one of two":  {"event: failed\n\n", sse.OfType("stop", "failed"), ""},
		"no data, more behind": {"event: other\n\nevent: stop\n\n: bye\n\ndata: {\"text\":\"b\"}\n\n", sse.OfType("stop"), ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			texts, err := readJSON("data: {\"text\":\"a\"}\n\n"+test.end, &sse.JSONOptions{Done: test.done})
			if got := strings.Join(texts, ""); err != nil || got != "a"+test.want {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

func hasFinishReason(e sse.Event) bool { return strings.Contains(e.Data, `"finishReason"`) }

// sources gives the same stream by each function of the package that returns events.
var sources = map[string]func(t *testing.T, stream string) iter.Seq2[sse.Event, error]{
	"Read": func(_ *testing.T, stream string) iter.Seq2[sse.Event, error] {
		return sse.Read(strings.NewReader(stream), nil)
	},
	"ReadResponse": func(_ *testing.T, stream string) iter.Seq2[sse.Event, error] {
		return sse.ReadResponse(streamResponse(stream), nil)
	},
	"Client.Subscribe": func(t *testing.T, stream string) iter.Seq2[sse.Event, error] {
		return (&sse.Client{HTTP: &http.Client{Transport: answerer(stream)}}).Subscribe(postRequest(t))
	},
	"Source.Events": func(t *testing.T, stream string) iter.Seq2[sse.Event, error] {
		return (&sse.Client{HTTP: &http.Client{Transport: answerer(stream)}}).Open(postRequest(t)).Events()
	},
	"Read with a program's loop and Dataless": func(_ *testing.T, stream string) iter.Seq2[sse.Event, error] {
		return func(yield func(sse.Event, error) bool) {
			for e, err := range sse.Read(strings.NewReader(stream), &sse.ReadOptions{Dataless: true}) {
				if !yield(e, err) {
					return
				}
			}
		}
	},
}

// answerer is a transport that answers each request with a stream.
type answerer string

func (a answerer) RoundTrip(*http.Request) (*http.Response, error) {
	return streamResponse(string(a)), nil
}

func streamResponse(stream string) *http.Response {
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"text/event-stream"}},
		Body: io.NopCloser(strings.NewReader(stream)),
	}
}

func postRequest(t *testing.T) *http.Request {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://example.com/", nil)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func TestFinalEventNeedsNoData(t *testing.T) {
	const stream = "event: a\n\ndata: {\"text\":\"a\"}\n\nid: 1\n\nevent: done\n\n"
	for name, source := range sources {
		t.Run(name, func(t *testing.T) {
			texts, err := textsOf(source(t, stream), &sse.JSONOptions{Done: sse.OfType("done")})
			if err != nil || !slices.Equal(texts, []string{"a"}) {
				t.Errorf("got %q, %v", texts, err)
			}
			if texts, err := textsOf(source(t, stream), &sse.JSONOptions{Done: sse.OfType("stop")}); !isTruncated(err) {
				t.Errorf("without its final event the stream gives %q, %v", texts, err)
			}
		})
	}
}

// TestErrorNeedsNoData: a failed answer must not look complete because the error event carries no data.
func TestErrorNeedsNoData(t *testing.T) {
	for name, source := range sources {
		t.Run(name, func(t *testing.T) {
			for _, end := range []string{"event: error\n\n", "event: error\n", "event: error", "event: error\n\ndata: [DONE]\n\n"} {
				for _, o := range []*sse.JSONOptions{nil, {Error: sse.ErrorMember}, {Done: sse.WithData("[DONE]"), Skip: func(sse.Event) bool { return true }}} {
					_, err := textsOf(source(t, "data: {}\n\n"+end), o)
					if !isType[*sse.EventError](err) || strings.HasSuffix(strings.TrimSpace(err.Error()), ":") {
						t.Errorf("%q: the error is %v", end, err)
					}
				}
			}
		})
	}
}

// TestErrorFieldIsAnError: llama.cpp's server reports an error in a field of that name, and sends its usual end after
// it.
func TestErrorFieldIsAnError(t *testing.T) {
	const failure = "{\"code\":500,\"message\":\"context full\"}"
	long := strings.Repeat(" ", 1<<16)
	ends := map[string]string{
		"alone": "error: " + failure + "\n\n", "before the end": "error: " + failure + "\n\ndata: [DONE]\n\n",
		"no space": "error:" + failure + "\n\n", "CRLF": "error: " + failure + "\r\n\r\n", "no blank line": "error: " + failure + "\n",
		"no line end": "error: " + failure, "two lines": "error: {\"code\":500,\nerror: \"message\":\"context full\"}\n\n",
		"with an id": "id: 1\nerror: " + failure + "\n\n", "larger than a buffer": "error: {" + long + failure[1:] + "\n\n",
	}
	for name, source := range sources {
		for place, end := range ends {
			for _, o := range []*sse.JSONOptions{nil, {Error: sse.ErrorMember}, {Done: sse.WithData("[DONE]")}} {
				texts, err := textsOf(source(t, "data: {\"text\":\"a\"}\n\n"+end), o)
				if strings.Contains(name, "loop") { // the decoder does not know that JSON reads; only an error at the end is found
					if strings.Contains(end, "[DONE]") {
						continue
					}
					if !isTruncated(err) || place != "larger than a buffer" && !strings.Contains(err.Error(), "code") {
						t.Errorf("%s, %s: the error is %v", name, place, err)
					}
					continue
				}
				reported, ok := errors.AsType[*sse.EventError](err)
				if !ok || reported.Message != "context full" || !slices.Equal(texts, []string{"a"}) {
					t.Errorf("%s, %s: got %q, %v", name, place, texts, err)
				}
			}
		}
	}
}

// TestPlainReadingIgnoresWhatOnlyJSONUnderstands: the standard discards blocks without data and ignores unknown fields.
func TestPlainReadingIgnoresWhatOnlyJSONUnderstands(t *testing.T) {
	const stream = "event: done\n\nerror: x\n\nevent: a\nerror: x\ndata: 1\n\nevent: done\n\n"
	for name, source := range sources {
		if strings.Contains(name, "Dataless") {
			continue
		}
		var got []sse.Event
		for e, err := range source(t, stream) {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			got = append(got, e)
		}
		if want := []sse.Event{{Type: "a", Data: "1"}}; !slices.Equal(got, want) {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

// TestStreamThatEndsWithAnErrorFieldIsTruncated: without JSON, too, a stream that ends with an error must not look
// complete.
func TestStreamThatEndsWithAnErrorFieldIsTruncated(t *testing.T) {
	for _, end := range []string{
		"error: {\"code\":500}\n\n", "error:{\"code\":500}\n", "Error: code\n", "TypeError: code\n\n", "upstream-error: code",
		"error: {\n  \"code\": 500\n}\n", "retry: 1\nerror: code\nid: 2\n\n",
	} {
		data, err := collect(sse.Read(strings.NewReader("data: a\n\n"+end), nil))
		if !isTruncated(err) || !strings.Contains(err.Error(), "code") || !slices.Equal(data, []string{"a"}) {
			t.Errorf("%q: got %q, %v", end, data, err)
		}
	}
}

// TestInterruptedFinalEventDoesNotCount: the type of the final event arrived, but not all of its data.
func TestInterruptedFinalEventDoesNotCount(t *testing.T) {
	for _, end := range []string{
		"event: response.completed\ndata: {\"text\":\"z",
		"event: response.completed\ndata: {\"text\":\n",
		"data: {\"type\":\"response.completed\",\"te",
		"event: response.comp",
		"data: [DON",
	} {
		o := &sse.JSONOptions{
			Done:        func(e sse.Event) bool { return sse.OfType("response.completed")(e) || sse.WithData("[DONE]")(e) },
			Undecodable: func(*sse.JSONError) error { return nil },
		}
		texts, err := readJSON("data: {\"text\":\"a\"}\n\n"+end, o)
		if !isTruncated(err) || !slices.Equal(texts, []string{"a"}) {
			t.Errorf("%q: got %q, %v", end, texts, err)
		}
	}
}

func TestErrorMemberIsFoundAnywhere(t *testing.T) {
	for data, message := range map[string]string{
		`{"error":{"message":"m","code":1}}`:            "m",
		`{"id":1,"error":{"message":"m"},"choices":[]}`: "m",
		`{"id":1,"choices":[],"error" : {"code":429}}`:  "",
		`{"error":"m"}`:                                      "m",
		`{"a":{"b":[1,{"c":2}]},"error":"m"}`:                "m",
		` {"error":["m"]}`:                                   "",
		`{"error":1}`:                                        "",
		`{"error":true,"message":"m"}`:                       "m",
		`{"type":"error","message":"m","code":"rate_limit"}`: "m",
		`{"\u0065rror":"m"}`:                                 "m",
	} {
		for _, end := range []string{"\n\n", "\n", ""} {
			_, err := readJSON("data: {}\n\ndata: "+data+end, &sse.JSONOptions{Error: sse.ErrorMember})
			failure, ok := errors.AsType[*sse.EventError](err)
			if !ok || failure.Message != message || !strings.Contains(err.Error(), message) {
				t.Errorf("%s: the error is %v", data, err)
			}
			if end != "\n\n" && !isTruncated(err) {
				t.Errorf("%s: the error does not say that the stream is cut off: %v", data, err)
			}
		}
	}
}

func TestLookalikesOfAnErrorMemberAreNoErrors(t *testing.T) {
	for _, data := range []string{
		`{"error":null}`, `{"error": null ,"text":"x"}`, `{"error":""}`, `{"error":false}`, `{"error":0}`,
		`{"text":"{\"error\":\"m\"}"}`, `{"text":"error"}`, `{"inner":{"error":"m"}}`, `{"errors":["m"]}`, `{"Error":"m"}`, `{}`,
	} {
		if _, err := readJSON("data: "+data+"\n\n", &sse.JSONOptions{Error: sse.ErrorMember}); err != nil {
			t.Errorf("%s: the error is %v", data, err)
		}
	}
	for _, e := range []sse.Event{{Data: `["error"]`}, {Data: `"error"`}, {Data: "error"}, {Data: ""}} {
		if err := sse.ErrorMember(e); err != nil {
			t.Errorf("%q: the error is %v", e.Data, err)
		}
	}
}

func TestTruncatedErrorQuotesALineThatIsNoField(t *testing.T) {
	page := "<!DOCTYPE html>\n<html>\n<head><title>502 Bad Gateway</title></head>\n\n<body>" + strings.Repeat("x", 1<<16) + "</body>\n</html>\n"
	for name, test := range map[string]struct{ end, quoted string }{
		"JSON":            {"{\"error\":1}\n", `{\"error\":1}`},
		"JSON, unended":   {"{\"error\":1}", `{\"error\":1}`},
		"JSON, blank":     {"{\"error\":1}\n\n", `{\"error\":1}`},
		"JSON, CRLF":      {"{\"error\":1}\r\n\r\n", `{\"error\":1}`},
		"page":            {page, "<!DOCTYPE html>"},
		"page in a line":  {"<html>" + strings.Repeat("y", 1<<20), "<html>yyy"},
		"sentence":        {"upstream connect error or disconnect/reset before headers\n", "upstream connect error"},
		"sentence, colon": {"Internal Server Error: sorry\n", "Internal Server Error: sorry"},
		"word":            {"Unauthorized\n", "Unauthorized"},
		"unprintable":     {"\x00\x1b[31m\xff\n", `\x00\x1b[31m`},
		"behind a field":  {"retry: 5\n{\"error\":1}\n", `{\"error\":1}`},
		"pretty JSON":     {"{\n  \"error\": {\n    \"code\": 429,\n    \"message\": \"quota exceeded\"\n  }\n}\n", `{ \"error\": { \"code\": 429, \"message\": \"quota exceeded\" } }`},
		"array, CRLF":     {"[{\r\n\t\"error\": {\r\n\t\t\"message\": \"quota exceeded\"\r\n\t}\r\n}]", "quota exceeded"},
		"pretty, CR":      {"{\r\"error\":\r\"quota exceeded\"\r}\r\r", "quota exceeded"},
		"page's title":    {page, "502 Bad Gateway"},
		"words":           {"Unauthorized\nno key was sent\n", "Unauthorized no key was sent"},
		"name and value":  {"upstream failed\nstatus: 503\n", "status: 503"},
		"before a field":  {"{\"error\":1}\nretry: 5\n: bye\n\n", `{\"error\":1}`},
	} {
		t.Run(name, func(t *testing.T) {
			stream := "data: {\"text\":\"a\"}\n\n" + test.end
			for _, o := range []*sse.JSONOptions{nil, {Done: sse.WithData("[DONE]")}} {
				texts, err := readJSON(stream, o)
				if !isTruncated(err) || !strings.Contains(err.Error(), test.quoted) || len(err.Error()) > 600 || !slices.Equal(texts, []string{"a"}) {
					t.Errorf("got %q, %v", texts, err)
				}
			}
		})
	}
}

func TestFieldsOfFutureStandardsAreIgnored(t *testing.T) {
	for _, end := range []string{"priority: 1\n", "errors: 1\n", "errored\n\n", " \t \n\n", "x-y: z\n\n", "ping\n\n", ": ok\n", "{\"odd\":1}\ndata: {}\n\n"} {
		if _, err := readJSON("data: {}\n\n"+end, nil); err != nil {
			t.Errorf("%q: the error is %v", end, err)
		}
	}
}

func isTruncated(err error) bool { return errors.Is(err, sse.ErrTruncated) }

func isType[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
