package wire_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/tidings-sse/tidings/internal/wire"
)

// FuzzLine: what a publisher appends, the hub parses as the same event.
func FuzzLine(f *testing.F) {
	f.Add("news", "", "note", "k", "x\ny", false, true)
	f.Add("<&>\u2028", "b", "", "", "\x00\xff", true, false)
	f.Fuzz(func(t *testing.T, topic, other, typ, key, data string, binary, end bool) {
		if !utf8.ValidString(strings.Join([]string{topic, other, typ, key}, " ")) || !binary && !utf8.ValidString(data) {
			return
		}
		want := wire.Line{Topic: &topic, Type: typ, Key: key, End: end}
		if other != "" && other != topic {
			want.Topic, want.Topics = nil, []string{topic, other}
		}
		want.SetContent(data, binary)
		text := want.Append(nil)
		if bytes.Count(text, []byte("\n")) != 1 || !json.Valid(text) {
			t.Errorf("%q is not one line of JSON", text)
		}
		got, err := wire.ParseLine(bytes.TrimSpace(text))
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", text, err, diff)
		}
		if again, binaryAgain, err := got.Content(); again != data || binaryAgain != binary || err != nil {
			t.Errorf("%q (%v) became %q (%v), %v", data, binary, again, binaryAgain, err)
		}
	})
}

// FuzzEnvelope: what the hub appends, a subscriber parses as the same event, and a publisher can send again as a line.
func FuzzEnvelope(f *testing.F) {
	f.Add("news", "b", "note", "x\ny", false)
	f.Add("<&>\u2028", "", "", "\x00\xff", true)
	f.Fuzz(func(t *testing.T, topic, other, typ, data string, binary bool) {
		if !utf8.ValidString(strings.Join([]string{topic, other, typ}, " ")) || topic == "" {
			return
		}
		want := wire.Envelope{ID: "abcde-1", Topic: topic, Topics: []string{topic}, Type: "t" + typ, Time: time.Unix(1, 0).UTC()}
		if other != "" && other != topic {
			want.Topics = append(want.Topics, other)
		}
		want.Data, want.Encoding = wire.Encode(data, binary)
		text := want.Append(nil)
		if bytes.ContainsAny(text, "\r\n") {
			t.Errorf("%q is not one line", text)
		}
		got, err := wire.ParseEnvelope(string(text))
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", text, err, diff)
		}
		line, err := wire.ParseLine(text)
		if err != nil || !slices.Equal(line.Names(), want.Topics) || line.Type != want.Type {
			t.Errorf("%s is the line %+v, %v", text, line, err)
		}
		for _, content := range []func() (string, bool, error){got.Content, line.Content} {
			if again, isBinary, err := content(); again != data || isBinary != (want.Encoding == wire.Base64) || err != nil {
				t.Errorf("%q became %q (%v), %v", data, again, isBinary, err)
			}
		}
	})
}

func TestAnEnvelopeFromALaterHubIsRead(t *testing.T) {
	got, err := wire.ParseEnvelope(`{"id":"abcde-1","topics":["a","b"],"data":"x","colour":"red"}`)
	want := wire.Envelope{ID: "abcde-1", Topic: "a", Topics: []string{"a", "b"}, Type: "message", Data: "x"}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

func TestTextThatIsNotAnEnvelopeIsRefused(t *testing.T) {
	for _, text := range []string{"", "null", "7", `"x"`, "{}", `{"id":"abcde-1"}`, `{"topic":"a"}`, `{"id":7,"topic":"a"}`, `{"id":"abcde-1","topic":"a","data":{}}`} {
		if e, err := wire.ParseEnvelope(text); err == nil {
			t.Errorf("%s is %+v", text, e)
		}
	}
	for _, e := range []wire.Envelope{{Data: "?", Encoding: wire.Base64}, {Data: "x", Encoding: "gzip"}} {
		if data, _, err := e.Content(); err == nil {
			t.Errorf("%+v has the data %q", e, data)
		}
	}
}

func TestAnErrorOfALineSaysWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		`{"dat":1}`:                            `unknown field "dat"`,
		`[]`:                                   "it is a JSON array, not an object",
		`{"type":7,"data":1}`:                  "type is a JSON number",
		`{"data":1} {}`:                        `" {}" follows the object`,
		`{"type":"t"}`:                         "it has no data",
		`{"data":7,"encoding":"base64"}`:       "the data is not a string",
		`{"data":"?","encoding":"base64"}`:     "the data is not base64",
		`{"data":"x","encoding":"gzip"}`:       `the encoding is "gzip"; it can be utf-8 or base64`,
		`{"end":true,"data":"","encoding":""}`: "",
	} {
		l, err := wire.ParseLine([]byte(text))
		if err == nil {
			_, _, err = l.Content()
		}
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestTheTopicOfALineIsItsCanonicalTopic(t *testing.T) {
	for text, want := range map[string][]string{
		`{"data":1}`:                                nil,
		`{"data":1,"topic":"a"}`:                    {"a"},
		`{"data":1,"topics":["b","a"]}`:             {"b", "a"},
		`{"data":1,"topic":"a","topics":["b"]}`:     {"a", "b"},
		`{"data":1,"topic":"a","topics":["b","a"]}`: {"a", "b"},
	} {
		l, err := wire.ParseLine([]byte(text))
		if diff := cmp.Diff(want, l.Names()); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", text, err, diff)
		}
	}
}

func TestControlDataIsParsedAsItWasSent(t *testing.T) {
	gap := wire.Gap{Reason: wire.ReasonTrimmed, From: "abcde-1", To: "abcde-7"}
	if got, err := wire.ParseGap(gap.Data()); got != gap || err != nil {
		t.Error(got, err)
	}
	end := wire.End{Topic: "a", Topics: []string{"a", "b"}}
	if got, err := wire.ParseEnd(end.Data()); cmp.Diff(end, got) != "" || err != nil {
		t.Error(got, err)
	}
	if got, err := wire.ParseEnd(`{"topic":"a"}`); !slices.Equal(got.Topics, []string{"a"}) || err != nil {
		t.Error(got, err)
	}
	for _, typ := range wire.Controls() {
		if !wire.IsControl(typ) {
			t.Error(typ)
		}
	}
	if wire.IsControl("message") || wire.IsControl("tidings") {
		t.Error("an event of a publisher is taken for a control event")
	}
}

func TestProblemsAreKnownByName(t *testing.T) {
	seen := map[wire.ProblemName]bool{}
	for _, p := range wire.Problems() {
		if seen[p.Name] || p.Status < 400 || p.Status > 599 || p.Title == "" || p.Name.Title() != p.Title || wire.ParseProblemName(p.Name.URI()) != p.Name {
			t.Errorf("%+v", p)
		}
		seen[p.Name] = true
	}
	for uri, want := range map[string]wire.ProblemName{
		"about:blank": "", "": "", "https://example.com/problems/ended": wire.ProblemEnded, "https://example.com/problems#ended": wire.ProblemEnded,
	} {
		if got := wire.ParseProblemName(uri); got != want {
			t.Errorf("%q is named %q", uri, got)
		}
	}
	if wire.ProblemName("unheard-of").Title() != "" {
		t.Error("a name that does not exist has a title")
	}
}

// TestPresenceDataGrowsLittleOnTheWire: 256 bytes of data stay 256 bytes, whatever their characters.
func TestPresenceDataGrowsLittleOnTheWire(t *testing.T) {
	t.Parallel()
	data := `"` + strings.Repeat("<&>", 84) + `"`
	p := wire.Presence{Topic: "a<b", Members: []wire.Member{{Subject: "<bob>", Data: json.RawMessage(data)}}}
	want := `{"topic":"a<b","streams":0,"subjects":0,"members":[{"subject":"<bob>","data":` + data + `}]}`
	if got := p.Data(); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, err := wire.ParsePresence(p.Data()); err != nil || !cmp.Equal(got, p) {
		t.Errorf("%+v, %v", got, err)
	}
}
