package hub_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tidings-sse/tidings/hub"
)

var plainLines = []string{
	`{"data":"x"}`, ` { "data" : "a b" , "type":"note" } `, `{"data":{"a":[1,"}",{"b":"\"]"}]},"topic":"news"}`, `{"data":[],"topics":["a","b"]}`,
	`{"data":"a\nb\"\\\/\b\f\r\t"}`, `{"data":"\u00fc\ud83d\ude00"}`, `{"data":null,"end":true}`, `{"end":false,"data":-1.5e3}`, `{"data":true,"key":"k"}`,
	`{"data":"aGk=","encoding":"base64","id":"abcde-1","time":"2026-11-28T00:00:00Z"}`, `{"topic":"ü","data":"ü"}`,
}

// TestPlainLinesAreScanned: the way that costs little is taken, and reads what the other one would.
func TestPlainLinesAreScanned(t *testing.T) {
	t.Parallel()
	for _, text := range plainLines {
		plain, scanned, decoded, err := hub.ScanLine(bytes.TrimSpace([]byte(text)))
		if !plain || scanned != decoded || err != nil {
			t.Errorf("%s: plain %v\n%s\n%s, %v", text, plain, scanned, decoded, err)
		}
	}
}

// FuzzScanLine: what is scanned is what encoding/json would have read.
func FuzzScanLine(f *testing.F) {
	for _, text := range plainLines {
		f.Add([]byte(text))
	}
	for _, text := range []string{
		`{"Data":"x"}`, `{"data":1,"data":2}`, `{"data":"x",}`, `{,"data":"x"}`, `{}`, `{"data":"a` + "\n" + `b"}`, `{"topic":null,"data":"x"}`, `{"data":"\ud800"}`,
		`{"data":"x"}}`, `{"data":1 2}`, `{"data":{]}}`, `{"data":"x","topics":["a",]}`, `{"data":"\x"}`, `{"d\u0061ta":"x"}`, `{"data":tru}`, `{"end":null}`, `{"data":"","topics":[]}`, `{"data":"x\"`,
		`{"data":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if !utf8.Valid(text) { // no such line comes here
			return
		}
		plain, scanned, decoded, err := hub.ScanLine(text)
		if plain && (err != nil || scanned != decoded) {
			t.Errorf("%s:\nscanned %s\ndecoded %s, %v", text, scanned, decoded, err)
		}
		if plain && !json.Valid(text) {
			t.Errorf("%s is no JSON", text)
		}
	})
}
