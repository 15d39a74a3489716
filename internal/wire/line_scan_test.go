package wire

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

var plainLines = []string{
	`{"data":"x"}`, ` { "data" : "a b" , "type":"note" } `, `{"data":{"a":[1,"}",{"b":"\"]"}]},"topic":"news"}`, `{"data":[],"topics":["a","b"]}`,
	`{"data":"a\nb\"\\\/\b\f\r\t"}`, `{"data":"\u00fc\ud83d\ude00"}`, `{"data":null,"end":true}`, `{"end":false,"data":-1.5e3}`, `{"data":true,"key":"k"}`,
	`{"data":"aGk=","encoding":"base64","id":"abcde-1","time":"2026-11-28T00:00:00Z"}`, `{"topic":"ü","data":"ü"}`,
}

// readTwice reads a line in both ways, or only with encoding/json if the line is not plain.
func readTwice(text []byte) (plain bool, scanned, decoded Line, err error) {
	if !scanLine(text, &scanned) {
		return false, Line{}, Line{}, nil
	}
	decoded, err = decodeLine(text)
	return true, scanned, decoded, err
}

// TestPlainLinesTakeTheFastPath: scanLine reads them, and reads what encoding/json reads.
func TestPlainLinesTakeTheFastPath(t *testing.T) {
	for _, text := range plainLines {
		plain, scanned, decoded, err := readTwice(bytes.TrimSpace([]byte(text)))
		if diff := cmp.Diff(decoded, scanned); !plain || diff != "" || err != nil {
			t.Errorf("%s: plain %v, %v\n%s", text, plain, err, diff)
		}
	}
}

// FuzzScanLine: scanLine reads nothing that encoding/json would read in another way.
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
		if !utf8.Valid(text) { // ParseLine is for UTF-8
			return
		}
		plain, scanned, decoded, err := readTwice(text)
		if diff := cmp.Diff(decoded, scanned); plain && (err != nil || diff != "") {
			t.Errorf("%s: %v\n%s", text, err, diff)
		}
		if plain && !json.Valid(text) {
			t.Errorf("%s is not JSON", text)
		}
		data, binary, err := scanned.Content()
		again, binaryAgain, errAgain := decoded.Content()
		if plain && (data != again || binary != binaryAgain || (err == nil) != (errAgain == nil)) {
			t.Errorf("%s has the data %q (%v) and %q (%v)", text, data, err, again, errAgain)
		}
	})
}
