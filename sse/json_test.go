package sse_test

import (
	"errors"
	"io"
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
	for m, e := range sse.JSON[text](sse.Read(strings.NewReader(stream), nil), o) {
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

func TestDatalessFindsAFinalEventWithoutData(t *testing.T) {
	const stream = "event: a\n\ndata: {\"text\":\"a\"}\n\nid: 1\n\nevent: done\n\n"
	for dataless, check := range map[bool]func(error) bool{true: func(err error) bool { return err == nil }, false: isTruncated} {
		events := sse.Read(strings.NewReader(stream), &sse.ReadOptions{Dataless: dataless})
		var got string
		var last error
		for m, err := range sse.JSON[text](events, &sse.JSONOptions{Done: sse.OfType("done")}) {
			got, last = got+m.Value.Text, err
		}
		if got != "a" || !check(last) {
			t.Errorf("dataless %v: got %q, %v", dataless, got, last)
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
	for _, end := range []string{"priority: 1\n", "x-y: z\n\n", "ping\n\n", ": ok\n", "{\"odd\":1}\ndata: {}\n\n"} {
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
