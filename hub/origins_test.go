package hub_test

import (
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/hub"
)

// TestInvalidAllowedOriginIsRefused: the error has the valid form. https://app.example/ has a slash too many, and would match no page.
func TestInvalidAllowedOriginIsRefused(t *testing.T) {
	for _, origin := range []string{
		"*", "null", "https://app.example", "http://localhost:5173", "https://app.example:8443", "http://[::1]:3000", "HTTPS://App.Example",
		"http://app.example:443", "chrome-extension://abcdefgh", "capacitor://localhost", "https://xn--bcher-kva.example",
	} {
		if err := hub.CheckOrigin(origin); err != nil {
			t.Error(err)
		}
	}
	for origin, want := range map[string]string{
		"https://app.example/":                "send https://app.example,",
		"https://app.example/path?a=b":        "send https://app.example,",
		"https://app.example#x":               "send https://app.example,",
		"https://user@app.example":            "send https://app.example,",
		"https://app.example:443":             "send https://app.example,",
		"https://app.example:":                "send https://app.example,",
		"http://app.example:80/":              "send http://app.example,",
		"app.example":                         "send https://app.example,",
		"//app.example":                       "send https://app.example,",
		"localhost:5173":                      "send http://localhost:5173,",
		"https://*.app.example":               "wildcard",
		"*.app.example":                       "wildcard",
		"https://app.example:*":               "not an origin",
		"https://b\u00fccher.example":         "in ASCII",
		"https://a.example,https://b.example": "separately",
		"https://a.example https://b.example": "separately",
		"https://":                            "not an origin",
		"":                                    "not an origin",
		"https:/app.example":                  "send https://app.example,",
		"https://app.example:port":            "not an origin",
	} {
		if err := hub.CheckOrigin(origin); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q in it", origin, err, want)
		}
	}
	if _, err := hub.New(nil, &hub.Options{AllowOrigins: []string{"https://app.example/"}}); err == nil || !strings.Contains(err.Error(), "app.example") {
		t.Errorf("a hub took an origin that can never match: %v", err)
	}
}
