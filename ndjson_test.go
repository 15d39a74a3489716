package tidings_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidings-sse/tidings"
	"github.com/tidings-sse/tidings/sse/ssetest"
)

func read(r io.Reader) (all []tidings.Event, err error) {
	for e, err := range tidings.ReadEvents(r) {
		if err != nil {
			return all, err
		}
		all = append(all, e)
	}
	return all, nil
}

func TestReadEventsAcceptsTheNDJSONOfAHub(t *testing.T) {
	text := `{"topic":"a","data":"x\ny"}` + "\r\n\n" +
		` {"topics":["a","b"],"type":"added","key":"k","data":"AP8N","encoding":"base64","end":true}` + "\n" +
		`{"id":"abcde-1","topic":"a","topics":["a"],"type":"message","time":"2026-11-22T10:00:00Z","data":"z","encoding":"utf-8"}` + "\n" +
		`{"topic":"a","data":{"n": 1.50}}` + "\n" + `{"topic":"a","data":null}` + "\n" + `{"topic":"a","end":true}`
	want := []tidings.Event{
		{Topic: "a", Data: []byte("x\ny")},
		{Topics: []string{"a", "b"}, Type: "added", Key: "k", Data: []byte{0, 0xFF, '\r'}, Binary: true, End: true},
		{Topic: "a", Topics: []string{"a"}, Type: "message", Data: []byte("z")},
		{Topic: "a", Data: []byte(`{"n": 1.50}`)},
		{Topic: "a", Data: []byte("null")},
		{Topic: "a", End: true},
	}
	for name, r := range map[string]io.Reader{
		"whole": strings.NewReader(text), "byte by byte": ssetest.ChopEvery(strings.NewReader(text), 1),
	} {
		got, err := read(r)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Error(name, err, diff)
		}
	}
}

func TestReadEventsNamesAnInvalidLine(t *testing.T) {
	for _, line := range []string{
		"hello", "[]", "{}", `{"topic":"a"}`, `{"topik":"a","data":""}`, `{"topic":"a","data":""} {}`, `{"topic":"a","data":"?","encoding":"base64"}`,
		`{"topic":"a","data":1,"encoding":"base64"}`, `{"topic":"a","data":"","encoding":"gzip"}`, `{"topic":7,"data":""}`,
	} {
		got, err := read(strings.NewReader(`{"topic":"a","data":"x"}` + "\n\n" + line + "\n" + `{"topic":"a","data":"y"}`))
		if len(got) != 1 || err == nil || !strings.HasPrefix(err.Error(), "line 3: ") {
			t.Errorf("%s: %d events, %v", line, len(got), err)
		}
	}
}

func TestReadEventsReturnsReadErrors(t *testing.T) {
	broken := errors.New("broken")
	got, err := read(ssetest.ThenFail(strings.NewReader(`{"topic":"a","data":"x"}`+"\n"), broken))
	if len(got) != 1 || !errors.Is(err, broken) {
		t.Error(got, err)
	}
}
