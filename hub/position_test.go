package hub_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/hub"
)

// positions are the positions of a request: the values of the header field, and parameters in the form NAME=VALUE.
type positions struct {
	header []string
	query  []string
}

// followFrom opens a stream with positions in the header and in parameters.
func (s *site) followFrom(path string, at positions) *follower {
	s.Helper()
	separator := "?"
	if strings.Contains(path, "?") {
		separator = "&"
	}
	for _, param := range at.query {
		name, value, _ := strings.Cut(param, "=")
		path += separator + name + "=" + url.QueryEscape(value)
		separator = "&"
	}
	return s.open(request{path: path}, func(r *http.Request) { r.Header["Last-Event-Id"] = at.header })
}

// TestTheLatestOfSeveralPositionsCounts in any place. A polyfill adds the last id to the URL of each reconnection, beside the position in the
// page's URL. The hub must accept both.
func TestTheLatestOfSeveralPositionsCounts(t *testing.T) {
	t.Parallel()
	each(t, nil, func(s *site) {
		var ids []string
		for i := range 6 {
			ids = append(ids, s.post("news", fmt.Sprint(i)))
		}
		other, beyond := "zzzzz-900", s.log.Head().Gen+"-900"
		for _, at := range []positions{
			{header: []string{ids[3]}},
			{header: []string{ids[1], ids[3]}},
			{header: []string{ids[3], ids[1]}},
			{header: []string{ids[3], ids[3]}},
			{header: []string{ids[1] + ", " + ids[3]}},
			{header: []string{ids[3] + "," + ids[1]}},
			{header: []string{ids[1]}, query: []string{"last_event_id=" + ids[3]}},
			{header: []string{ids[3]}, query: []string{"lastEventId=" + ids[1]}},
			{query: []string{"last_event_id=" + ids[1], "lastEventId=" + ids[3]}},
			{query: []string{"lastEventID=" + ids[3], "lastEventId=" + ids[2], "last_event_id=" + ids[1]}},
			{query: []string{"lastEventId=" + ids[1], "lastEventId=" + ids[3]}},
			{query: []string{"last_event_id=" + ids[3], "last_event_id="}},
			{query: []string{"last_event_id=" + ids[3] + "\n"}},
			// Invalid positions do not count beside a valid one.
			{header: []string{other}, query: []string{"last_event_id=" + ids[3]}},
			{header: []string{beyond}, query: []string{"last_event_id=" + ids[3]}},
			{header: []string{ids[3]}, query: []string{"lastEventID=" + beyond}},
			{header: []string{"undefined"}, query: []string{"lastEventID=" + ids[3]}},
			{header: []string{ids[3]}, query: []string{"last_event_id=null", "lastEventId=" + other}},
			{query: []string{"last_event_id=" + beyond, "lastEventId=" + other, "lastEventID=" + ids[3]}},
		} {
			f := s.followFrom("/events/news?since=earliest", at)
			if first := f.next(); first.Type != "tidings.checkpoint" || first.ID != ids[3] {
				s.Errorf("%q: the stream begins with %+v", at, first)
			}
			f.want("4", "5")
			f.close()
		}
	})
}

// invalidPositions are invalid positions.
var invalidPositions = []string{
	"7", "0", "-1", "abcde-", "abcde-01", "abcde--1", "abcde-1_0", "abcde-+1", "ABCDE-1", "abcd-1", "-0", "abcde-18446744073709551616", "x-abcde-1",
	"ü\xff", "*", "null", "undefined", "NaN", "[object Object]", `"abcde-1"`, "abcde-1 abcde-2", "%", "<script>", strings.Repeat("9", 5000),
}

// TestInvalidPositionGivesAGap: a page whose EventSource gets an error never reconnects, so the hub sends a gap instead.
func TestInvalidPositionGivesAGap(t *testing.T) {
	t.Parallel()
	each(t, &strict, func(s *site) {
		g := wantUntouched(s)
		head := g.head.String()
		check := func(text string, at positions, reason, from string) {
			f := g.followFrom("/events/news", at)
			defer f.close()
			if got := f.gap(); got.Reason != reason || got.To != head || from != "" && got.From != from || len(got.From) > 200 {
				g.Errorf("%.60q: %+v", at, got)
			}
			if e := f.next(); e.Type != "tidings.checkpoint" || e.ID != head {
				g.Errorf("%.60q in %.60q: after the gap comes %+v", text, at, e)
			}
		}
		for _, text := range append([]string{"zzzzz-1", "zzzzz-0", head + "0x"}, invalidPositions...) {
			for _, at := range []positions{
				{header: []string{text}},
				{header: []string{text, text}},
				{query: []string{"last_event_id=" + text}},
				{query: []string{"lastEventId=" + text}},
				{query: []string{"lastEventID=" + text, "lastEventID=" + text}},
			} {
				check(text, at, "reset", "")
			}
		}
		for _, text := range []string{g.head.Gen + "-18446744073709551615", g.head.Gen + "-9999999999"} {
			check(text, positions{header: []string{text}}, "rollback", text)
			check(text, positions{query: []string{"last_event_id=" + text}}, "rollback", text)
			check(text, positions{header: []string{"zzzzz-1"}, query: []string{"last_event_id=" + text}}, "rollback", text)
		}
		f := g.followFrom("/events/news?since=earliest", positions{query: []string{"lastEventId=undefined"}})
		if got := f.gap(); got.Reason != "reset" || got.From != "undefined" {
			g.Errorf("%+v", got)
		}
		f.want("first")
		for _, at := range []string{"last_event_id=7", "last_event_id=zzzzz-1", "lastEventId=" + g.head.Gen + "-999"} {
			refused(g.T, at, g.send(request{path: "/events/news?on_gap=fail&" + at}), http.StatusGone, "gap", "")
		}
		g.wantUnchanged("positions")
		g.wantNoEvent()
	})
}

// TestPositionWithInvalidEscapesGivesAGap: a refusal would keep the browser from reconnecting. The gap repeats the position as it was sent.
// A valid position counts beside any number of invalid ones.
func TestPositionWithInvalidEscapesGivesAGap(t *testing.T) {
	t.Parallel()
	form := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	each(t, nil, func(s *site) {
		first := s.post("news", "first")
		s.post("news", "second")
		for _, at := range []string{
			"last_event_id=%", "lastEventId=%zz", "lastEventID=a%2", "lastEventId=" + first + ";" + first, "last_event_id=;", "last%5Fevent%5Fid=%", "last_event_id=%ff",
		} {
			for _, r := range []request{{path: "/events/news?" + at}, {method: "QUERY", path: "/events/news", body: at, header: form}} {
				f := s.open(r)
				if gap := f.next(); gap.Type != "tidings.gap" || !strings.Contains(gap.Data, `"reason":"reset"`) {
					s.Errorf("%s %s begins with %+v, want a gap", r.method, at, gap)
				}
				f.close()
			}
			f := s.follow("/events/news?"+at+"&last_event_id="+first, nil)
			f.want("tidings.checkpoint:{}", "second")
			f.close()
		}
		f := s.follow("/events/news?"+strings.Repeat("lastEventId=x&", 3000)+"last_event_id="+first, nil)
		f.want("tidings.checkpoint:{}", "second")
		f.close()
		refused(s.T, "publishing", s.send(request{path: "/events/news?last_event_id=%", body: "x"}), http.StatusBadRequest, "invalid-request", "last_event_id")
	})
}

// TestAPositionChangesNoOtherRefusal: 204, 401 and 403 stay the same with any position.
func TestAPositionChangesNoOtherRefusal(t *testing.T) {
	t.Parallel()
	k := serveKeyed(t, mustMemory(t, nil), hub.Options{}, transports[0])
	k.hubPublish(hub.Event{Topics: []string{"over"}, End: true})
	end := k.log.Head().String()
	token := bearer(k.token(access.Grant{Subject: "ann", Subscribe: patterns("over")}))
	for _, at := range []string{"last_event_id=" + end, "lastEventId=" + end + "&last_event_id=7"} {
		if a := k.send(request{path: "/events/over?" + at, header: token}); a.status != http.StatusNoContent {
			t.Errorf("%s: %d %s", at, a.status, a.body)
		}
		refused(t, at, k.send(request{path: "/events/over?" + at}), http.StatusUnauthorized, "unauthorized", "")
		refused(t, at, k.send(request{path: "/events/news?" + at, header: token}), http.StatusForbidden, "forbidden", "")
	}
}
