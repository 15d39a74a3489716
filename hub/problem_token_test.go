package hub_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
)

// forgetful is a log whose Append fails with an unknown error that names the topic.
type forgetful struct{ eventlog.Log }

func (forgetful) Append(_ context.Context, records []eventlog.Record) ([]eventlog.Receipt, error) {
	return nil, errors.New("no page for " + records[0].Topics[0])
}

// TestMisplacedTokensAreNotRepeated: a user may put a token in the place of a topic or of another word. The problem does not repeat it,
// because programs log problems and people paste them. The hub's log does not repeat it either.
func TestMisplacedTokensAreNotRepeated(t *testing.T) {
	t.Parallel()
	secret := []byte(secretKey)
	token := forge(t, secret, `{"alg":"HS256","typ":"JWT"}`, `{"sub":"ann","tidings":{"subscribe":["**"]}}`)
	spaced := forge(t, secret, ` {"alg":"HS256"}`, `{"sub":"ann"}`)
	k := serveKeyed(t, forgetful{mustMemory(t, nil)}, hub.Options{}, transports[0])
	ended := serveKeyed(t, mustMemory(t, nil), hub.Options{}, transports[0])
	everything, news := bearer(k.token(all("ann"))), bearer(k.token(access.Grant{Subject: "bob", Subscribe: patterns("news")}))
	for _, token := range []string{token, spaced, "x" + token, "x_" + token, "a-" + token} {
		if a := ended.send(request{method: http.MethodPost, path: "/events/" + token + "?end=1", header: everything}); a.status != http.StatusOK {
			t.Fatalf("%+v", a)
		}
		for what, test := range map[string]struct {
			k      *keyed
			r      request
			status int
		}{
			"an unknown path":         {k, request{path: "/" + token}, http.StatusNotFound},
			"an empty segment":        {k, request{path: "/events//" + token}, http.StatusBadRequest},
			"a segment of dots":       {k, request{path: "/events/../" + token}, http.StatusBadRequest},
			"an escaped slash":        {k, request{path: "/events/a%2F" + token}, http.StatusBadRequest},
			"an escaped token":        {k, request{path: "/events/a//" + strings.ReplaceAll(strings.ReplaceAll(token, "e", "%65"), ".", "%2E")}, http.StatusBadRequest},
			"an invalid pattern":      {k, request{path: "/events/" + token + "*"}, http.StatusBadRequest},
			"a publication to many":   {k, request{path: "/events/" + token + "/**", body: "x"}, http.StatusBadRequest},
			"a topic that is not NFC": {k, request{path: "/events/e%CC%81" + token}, http.StatusBadRequest},
			"an unknown parameter":    {k, request{path: "/events/news?" + token + "=1"}, http.StatusBadRequest},
			"a time":                  {k, request{path: "/events/news?since=" + token}, http.StatusBadRequest},
			"a number":                {k, request{path: "/events/news?last=" + token}, http.StatusBadRequest},
			"a position":              {k, request{path: "/events/news?on_gap=fail&last_event_id=" + token}, http.StatusGone},
			"a gap":                   {k, request{path: "/events/news?poll=1&last_event_id=" + token}, http.StatusOK},
			"a format":                {k, request{path: "/events/news?format=" + token}, http.StatusBadRequest},
			"a media type":            {k, request{path: "/events/news", body: "x", header: map[string]string{"Content-Type": token}}, http.StatusUnsupportedMediaType},
			"a charset":               {k, request{path: "/events/news", body: "x", header: map[string]string{"Content-Type": "text/plain; charset=" + token}}, http.StatusUnsupportedMediaType},
			"a coding":                {k, request{path: "/events/news", body: "x", header: map[string]string{"Content-Encoding": token}}, http.StatusUnsupportedMediaType},
			"a member of a line":      {k, request{path: "/events/news", body: `{"` + token + `":1}`, header: map[string]string{"Content-Type": "application/x-ndjson"}}, http.StatusBadRequest},
			"a topic that is refused": {k, request{path: "/events/" + token, header: news}, http.StatusForbidden},
			"a topic that has ended":  {ended, request{path: "/events/" + token, body: "x"}, http.StatusConflict},
			"a subscriber":            {k, request{method: http.MethodDelete, path: "/api/v1/subscribers/" + token}, http.StatusNotFound},
			"a failure of the log":    {k, request{path: "/events/" + token, body: "x"}, http.StatusInternalServerError},
		} {
			header := map[string]string{"Authorization": everything["Authorization"]}
			maps.Copy(header, test.r.header)
			test.r.header = header
			a := test.k.send(test.r)
			if a.status != test.status {
				t.Errorf("%s: %d %s, want %d", what, a.status, a.body, test.status)
			}
			wantNoPart(t, what, a.body, token)
		}
	}
	if text := k.logs.String(); !strings.Contains(text, `msg="a request failed"`) || !strings.Contains(text, "no page for redacted") {
		t.Errorf("the log has\n%s", text)
	}
	wantNoPart(t, "the log", k.logs.String(), token)
	wantNoPart(t, "the log", k.logs.String(), spaced)
	if doc, err := json.Marshal(&hub.Problem{Detail: token, Extra: map[string]any{"topic": token}}); err != nil || strings.Contains(string(doc), "eyJ") {
		t.Errorf("%s, %v", doc, err)
	}
}

// wantNoPart fails the test if a text contains the claims or the signature of a token.
func wantNoPart(t *testing.T, what, text, token string) {
	t.Helper()
	for part := range strings.SplitSeq(token, ".") {
		if strings.Contains(text, part[4:]) { // the text may begin with a part of the token's first bytes
			t.Errorf("%s: %q is in %s", what, part, text)
		}
	}
}
