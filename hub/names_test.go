package hub_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
)

// Names that are not in NFC, and the NFC form of each.
var lookalikes = []struct{ name, nfc string }{
	{"cafe\u0301", "caf\u00e9"},
	{"e\u0301/x", "\u00e9/x"},
	{"A\u030angstro\u0308m", "\u00c5ngstr\u00f6m"},
	{"\u212bngstro\u0308m", "\u00c5ngstr\u00f6m"}, // the Angstrom sign
	{"\u1112\u1161\u11ab", "\ud55c"},              // jamo
	{"\u2126", "\u03a9"},                          // ohm, omega
	{"a\u0323\u0307/b", "\u1ea1\u0307/b"},
	{"a\u0307\u0323", "\u1ea1\u0307"}, // combining marks in the wrong order
	{"\ufb4b", "\u05d5\u05b9"},        // NFC does not compose these characters
	{"\U0002f800", "\u4e3d"},
	{strings.Repeat("x", 900) + "e\u0301", strings.Repeat("x", 900) + "\u00e9"},
	{strings.Repeat("e\u0301", 300), strings.Repeat("\u00e9", 300)},
}

// TestTopicNamesMustBeNFC: a publisher and a subscriber that compose characters differently would use different topics without noticing. The
// hub refuses names that are not in NFC everywhere, and the problem has the form to use.
func TestTopicNamesMustBeNFC(t *testing.T) {
	t.Parallel()
	ndjson := map[string]string{"Content-Type": "application/x-ndjson"}
	form := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	each(t, nil, func(s *site) {
		for _, test := range lookalikes {
			escaped := url.QueryEscape(test.name)
			path := "/events/" + strings.ReplaceAll(url.PathEscape(test.name), "%2F", "/")
			for _, r := range []request{
				{path: path},
				{path: path + "/**"},
				{path: path, body: "x"},
				{path: "/events?topic=" + escaped},
				{path: "/events?topic=news&topic=*/" + escaped + "/**"},
				{path: "/events?exact=" + escaped},
				{path: "/events?topic=" + escaped, body: "x"},
				{path: "/events/news?topic=" + escaped, body: "x"},
				{method: "QUERY", path: "/events", body: "topic=" + escaped, header: form},
				{path: "/events", body: fmt.Sprintf(`{"topic":%q,"data":"x"}`, test.name), header: ndjson},
				{path: "/events/news", body: fmt.Sprintf(`{"topics":["a",%q],"data":"x"}`, test.name), header: ndjson},
				{path: "/api/v1/topics?pattern=" + escaped},
			} {
				p := refused(s.T, r.path, s.send(r), http.StatusBadRequest, "invalid-topic", "NFC")
				if len(test.nfc) <= 300 && !strings.Contains(p.Detail, test.nfc) {
					s.Errorf("%s: %s, want %q in it", r.path, p.Detail, test.nfc)
				}
			}
			_, err := s.hub.Publish(t.Context(), hub.Event{Topics: []string{test.name}})
			if err == nil || !strings.Contains(err.Error(), "NFC") {
				s.Errorf("Publish to %q: %v", test.name, err)
			}
			s.post(test.nfc, "x")
		}
		if head := s.log.Head().Seq; head != uint64(len(lookalikes)) {
			s.Errorf("%d events are stored, and %d were good", head, len(lookalikes))
		}
	})
}

// TestStoredTopicsOutsideNFCStayReadable: other programs may have stored such topics. Patterns match them, and the list has them.
func TestStoredTopicsOutsideNFCStayReadable(t *testing.T) {
	t.Parallel()
	log := mustMemory(t, nil)
	old := []string{"menu/cafe\u0301", "menu/caf\u00e9", "menu/\xff"}
	for _, topic := range old {
		if _, err := log.Append(t.Context(), []eventlog.Record{{Topics: []string{topic}, Data: "of " + fmt.Sprintf("%+q", topic)}}); err != nil {
			t.Fatal(err)
		}
	}
	s := serve(t, log, nil, transports[0])
	f := s.follow("/events/menu/*?since=earliest", nil)
	for _, topic := range old {
		f.want("of " + fmt.Sprintf("%+q", topic))
	}
	s.follow("/events?since=earliest&exact=menu/%FF", nil).want(`of "menu/\xff"`)
	page := s.send(request{path: "/api/v1/topics?after=" + url.QueryEscape("menu/cafe")}).body
	if !strings.Contains(page, old[0]) || !strings.Contains(page, old[1]) {
		t.Errorf("the list has %s", page)
	}
}
