package hub_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	"golang.org/x/text/encoding/unicode"

	"github.com/tidings-sse/tidings/eventlog"
)

// newest returns the newest record of a log.
func newest(t *testing.T, log eventlog.Log) eventlog.Record {
	t.Helper()
	at := log.Head()
	at.Seq--
	a, err := log.Read(t.Context(), eventlog.Query{Selector: eventlog.Everything(), After: at})
	if err != nil || len(a.Records) != 1 {
		t.Fatalf("%+v, %v", a, err)
	}
	return a.Records[0]
}

// TestMediaTypeDecidesWhetherBodyIsText: the hub does not look at the content of the body.
func TestMediaTypeDecidesWhetherBodyIsText(t *testing.T) {
	t.Parallel()
	s := serve(t, mustMemory(t, nil), nil, transports[0])
	for contentType, text := range map[string]bool{
		"": true, "text/plain": true, "text/anything": true, "TEXT/HTML": true, "application/json": true, "application/ld+json": true, "image/svg+xml": true,
		"application/vnd.oai.openapi+yaml": true, "application/yaml": true, "application/x-yaml": true, "application/graphql": true, "application/csp-report": true,
		"application/reports+json": true, "application/javascript": true, "application/x-javascript": true, "application/ecmascript": true, "application/sql": true,
		"application/toml": true, "application/xml-dtd": true, "application/x-sh": true, "application/n-triples": true, "application/sparql-query": true,
		"application/json-seq": true, "application/geo+json-seq": true, "application/jwt": true, "application/pem-certificate-chain": true, "application/csv": true,
		"application/vnd.apple.mpegurl": true, "model/gltf+json": true, "application/x-www-form-urlencoded": true, "application/secevent+jwt": true,

		"application/octet-stream": false, "image/png": false, "application/cbor": false, "application/senml+cbor": false, "application/zip": false, "application/epub+zip": false,
		"application/pdf": false, "video/mp4": false, "application/vnd.ms-excel": false, "image/json": false, "audio/yaml": false, "application/x-protobuf": false,
		"application/wasm": false, "application/gzip": false, "application/jsonx": false, "font/woff2": false, "model/gltf-binary": false, "application/x-tar": false,

		// A body with a charset is text, for every media type and every spelling of the charset that browsers know.
		"application/octet-stream; charset=utf-8": true, "image/png;charset=UTF-8": true, `application/x-custom ; Charset="utf-8"`: true,
		"application/cbor; foo; charset=utf8": true, "application/cbor;charset=utf-8;": true, "application/cbor;;charset=utf-8": true, "application/cbor; =x; charset=utf-8": true,
		`application/cbor; charset="utf-8`: true, "application/cbor; charset=utf-8; charset=utf-8": true, "application/cbor; charset=utf-8; charset=klingon": true,
		`application/cbor; a="b;c\"d"; charset=utf-8`: true, "application/cbor; charset = utf-8": false, "application/cbor; charset": false, "application/cbor; charset=": false,
		`application/cbor; charset=""`: false, `application/cbor; x="charset=utf-8"`: false, "application/cbor; charset=us-ascii": true, "application/cbor;\tcharset=utf-8\t": true,
		"application/octet-stream; charset=binary": false, "text/plain; charset=binary": false,
		"text/plain; charset": true, "text/plain;": true, "text/plain; a b c": true, `text/plain; charset="`: true,
	} {
		if a := s.send(request{path: "/events/news", body: "abc", header: contentTypeHeader(contentType)}); a.status != http.StatusOK {
			t.Errorf("%s: %d %s", contentType, a.status, a.body)
			continue
		}
		r := newest(t, s.log)
		if got := r.Flags&eventlog.Binary == 0; got != text || r.Data != "abc" {
			t.Errorf("%s: it is %q, text: %v", contentType, r.Data, got)
		}
		if base, _, _ := strings.Cut(contentType, ";"); !text && r.ContentType != strings.ToLower(strings.TrimSpace(base)) {
			t.Errorf("%s: the bytes have the type %q", contentType, r.ContentType)
		}
	}
}

// charsets are charset labels in several spellings, with a text in each charset.
var charsets = []struct {
	label, mark string
	encoding    encoding.Encoding
	text        string
}{
	{"iso-8859-1", "", charmap.Windows1252, "Grüße, ¡olé!"},
	{"ISO-8859-1", "", charmap.Windows1252, "Grüße"},
	{`"latin1"`, "", charmap.Windows1252, "naïve"},
	{"windows-1252", "", charmap.Windows1252, "“Grüße” – €5"},
	{"windows-1251", "", charmap.Windows1251, "Привет"},
	{"koi8-r", "", charmap.KOI8R, "Привет"},
	{"iso-8859-15", "", charmap.ISO8859_15, "5 €"},
	{"IBM437", "", charmap.CodePage437, "┌─┐ é"}, // registered at IANA, unknown to browsers
	{"Shift_JIS", "", japanese.ShiftJIS, "こんにちは、世界 ｶﾅ"},
	{"euc-jp", "", japanese.EUCJP, "こんにちは"},
	{"iso-2022-jp", "", japanese.ISO2022JP, "こんにちは ok"},
	{"gbk", "", simplifiedchinese.GBK, "你好，世界"},
	{"gb2312", "", simplifiedchinese.GBK, "你好"},
	{"gb18030", "", simplifiedchinese.GB18030, "你好 😀 \ufffd ü"},
	{"big5", "", traditionalchinese.Big5, "你好"},
	{"euc-kr", "", korean.EUCKR, "안녕하세요"},
	{"utf-16", "\xff\xfe", unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM), "Grüße 😀 \ufffd"},
	{"UTF-16", "\xfe\xff", unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM), "Grüße 😀 \ufffd"},
	{"utf-16", "", unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM), "Grüße"},
	{"utf-16le", "", unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM), "Grüße 😀"},
	{"utf-16be", "", unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM), "Grüße 😀"},
	{"utf-16be", "\xfe\xff", unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM), "Grüße"},
	{"ucs-2", "\xff\xfe", unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM), "Grüße"},
	{"us-ascii", "", encoding.Nop, "plain"},
	{"UTF-8", "", encoding.Nop, "Grüße 😀 \ufffd"},
}

// TestTextIsConvertedFromItsCharset in single and streamed bodies, no matter where the bytes are split.
func TestTextIsConvertedFromItsCharset(t *testing.T) {
	t.Parallel()
	s := serve(t, mustMemory(t, nil), nil, transports[0])
	for _, test := range charsets {
		long := strings.Repeat(test.text+"; ", 700)
		for contentType, form := range map[string]string{
			"application/octet-stream": "%s", "text/plain": "%s", "application/x-ndjson": "{\"data\":\"%s\"}\n", "text/event-stream": "data: %s\n\n",
		} {
			for _, text := range []string{test.text, long} {
				sent, err := test.encoding.NewEncoder().String(fmt.Sprintf(form, text))
				if err != nil {
					t.Fatal(test.label, err)
				}
				for _, body := range []io.Reader{
					strings.NewReader(test.mark + sent), iotest.OneByteReader(strings.NewReader(test.mark + sent)),
				} {
					if _, ok := body.(*strings.Reader); !ok && len(text) > len(test.text) {
						continue // takes long and tests nothing new
					}
					a := s.send(request{method: http.MethodPost, path: "/events/news", reader: body, header: contentTypeHeader(contentType + "; charset=" + test.label)})
					if a.status != http.StatusOK {
						t.Errorf("%s in %s: %d %s", contentType, test.label, a.status, a.body)
						continue
					}
					if r := newest(t, s.log); r.Data != text || r.Flags&eventlog.Binary != 0 {
						t.Errorf("%s in %s: %.100q arrives as %.100q", contentType, test.label, text, r.Data)
					}
				}
			}
		}
	}
}

// TestInvalidTextInCharsetIsRefused: the problem says where the text is invalid, and nothing of the event is stored.
func TestInvalidTextInCharsetIsRefused(t *testing.T) {
	t.Parallel()
	s := serve(t, mustMemory(t, nil), nil, transports[0])
	for _, test := range []struct {
		charset, body string
		status        int
		says          string
	}{
		{"utf-8", "ab\xff", 400, "not UTF-8 at byte 2"},
		{"us-ascii", "ab\xe9", 400, "us-ascii after 2 characters"},
		{"us-ascii", "abé", 400, "us-ascii after 2 characters"},
		{"shift_jis", "\x82\xb1\x82", 400, "shift_jis after 1 characters"},
		{"shift_jis", "\x82\xb1\xff\x82\xb1", 400, "after 1"},
		{"gbk", "\xc4\xe3\xff", 400, "gbk after 1"},
		{"gb18030", "\xc4\xe3\x81\x30", 400, "gb18030 after 1"},
		{"euc-kr", "a\xff\xff", 400, "euc-kr after 1"},
		{"big5", "\x81", 400, "big5 after 0"},
		{"iso-2022-jp", "\x1b$B\x30", 400, "iso-2022-jp after 0"},
		{"utf-16", "a", 400, "utf-16 after 0"},
		{"utf-16", "\xff\xfea\x00b", 400, "utf-16 after 1"},
		{"utf-16le", "a\x00\x00\xd8b\x00", 400, "utf-16le after 1"}, // half of a surrogate pair
		{"utf-16be", "\xdc\x00\x00a", 400, "utf-16be after 0"},
		{"koi9", "x", 415, "koi9"},
		{"utf-7", "x", 415, "utf-7"},
		{"hz-gb-2312", "x", 415, "hz-gb-2312"}, // browsers refuse to decode it
		{"x-user's own", "x", 415, "x-user's own"},
	} {
		for _, contentType := range []string{"text/plain", "application/octet-stream", "application/x-ndjson", "text/event-stream"} {
			header := contentTypeHeader(contentType + `; charset="` + test.charset + `"`)
			a := s.send(request{method: http.MethodPost, path: "/events/news", reader: strings.NewReader(test.body), header: header})
			if a.status != test.status || !strings.Contains(a.body, test.says) {
				t.Errorf("%s in %s: %d %s, want %d %s", contentType, test.charset, a.status, a.body, test.status, test.says)
			}
		}
	}
	wantEvents(t, s.log)
}
