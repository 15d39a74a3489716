package access_test

import (
	"testing"

	"github.com/tidings-sse/tidings/access"
)

// TestTokensAreHidden, but host names and topics with dots are not.
func TestTokensAreHidden(t *testing.T) {
	t.Parallel()
	const token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl"
	for text, want := range map[string]string{
		token:                                                 "redacted",
		"topic " + token + " has ended":                       "topic redacted has ended",
		`the path "` + token[:30] + `" is`:                    `the path "redacted" is`,
		token[:14]:                                            "redacted",
		"eyAiYWxnIjoiSFMyNTYifQ.e30.c2ln":                     "redacted", // white space after {
		"IHsiYWxnIjoiSFMyNTYifQ.e30.":                         "redacted", // and before it; no signature
		"a/" + token + "/b?x=" + token:                        "a/redacted/b?x=redacted",
		token + ".two.more":                                   "redacted", // encrypted tokens have five parts
		"www.example.com a.b.c eu.de.1.2 heyJude/eyJ":         "www.example.com a.b.c eu.de.1.2 heyJude/eyJ",
		"%2F" + token + " x" + token + " _" + token:           "%2Fredacted xredacted _redacted",
		"%2FIHsiYWxnIjoiSFMyNTYifQ.e30.c2ln":                  "%2Fredacted",
		"www.example.com.IHsiYWxnIjoiSFMyNTYifQ.e30.c2ln":     "www.example.com.redacted",
		"news.example.com ews.example.com eyeOfTheStorm.mp.3": "news.example.com ews.example.com eyeOfTheStorm.mp.3",
		"DQoJewkiYWxnIjoiSFMyNTYifQ.e30.c2ln":                 "redacted", // a line end, and a tab before and after {
		"":                                                    "",
	} {
		if got := access.HideTokens(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}
