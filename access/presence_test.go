package access_test

import (
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
)

// TestTokenSaysWhatOthersSeeOfItsSubject, and where its bearer may see others.
func TestTokenSaysWhatOthersSeeOfItsSubject(t *testing.T) {
	signer := must(access.ParseSigner([]byte(secret), ""))
	token, err := signer.Mint(access.Grant{Subject: "bob", Presence: []eventlog.Matcher{eventlog.MustPattern("room/*")}, PresentData: `{"name": "Bob"}`})
	if err != nil {
		t.Fatal(err)
	}
	g, err := (&access.Verifier{Keys: []access.Key{signer.Key()}}).Verify(t.Context(), token)
	if err != nil || g.PresentData != `{"name":"Bob"}` || !g.MaySee("room/1") || g.MaySee("room") || g.MayRead("room/1") {
		t.Errorf("%+v, %v", g, err)
	}
}

// TestPresentDataIsSmallJSON: others get it with each change.
func TestPresentDataIsSmallJSON(t *testing.T) {
	for text, want := range map[string]string{
		``: ``, ` 7 `: `7`, `{"a": [1, null]}`: `{"a":[1,null]}`, `"` + strings.Repeat("x", 254) + `"`: `"` + strings.Repeat("x", 254) + `"`,
		`"` + strings.Repeat("x", 255) + `"`: "257 bytes; the limit is 256", `null`: "null", `{`: "not JSON", `1 2`: "not JSON", "\"\xff\"": "not JSON", `{"a":1,"a":2}`: "not JSON",
	} {
		got, err := access.ParsePresentData([]byte(text))
		if err == nil && got != want || err != nil && (got != "" || !strings.Contains(err.Error(), want)) {
			t.Errorf("%.40s: %.40q, %v, want %.40q", text, got, err, want)
		}
	}
	signer := must(access.ParseSigner([]byte(secret), ""))
	for _, data := range []string{`"` + strings.Repeat("<", 254) + `"`, "\"\u2028&>\""} { // Mint escaped them, so that the data was too large
		token := must(signer.Mint(access.Grant{Subject: "bob", Admin: true, PresentData: data}))
		if g, err := (&access.Verifier{Keys: []access.Key{signer.Key()}}).Verify(t.Context(), token); err != nil || g.PresentData != data {
			t.Errorf("the token of %.20s has %.20s, %v", data, g.PresentData, err)
		}
	}
	for _, data := range []string{`"` + strings.Repeat("x", 300) + `"`, `null`} {
		if _, err := signer.Mint(access.Grant{Subject: "bob", Admin: true, PresentData: data}); err == nil {
			t.Errorf("a token has %.20s as data", data)
		}
	}
}
