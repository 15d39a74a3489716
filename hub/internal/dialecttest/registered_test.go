package dialecttest

import (
	"net/http"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
)

// other is a dialect with routes of its own. It sends its streams in an encoding whose key and events a test chooses.
type other struct {
	lines
	routes []hub.Route
}

func (o other) Routes() []hub.Route { return o.routes }

// marked is an encoding with a mark before each event. Its values are not comparable.
type marked struct {
	text
	key  string
	mark []byte
}

func (m marked) Key() string { return m.key }

func (m marked) Event(b []byte, at eventlog.Position, r *eventlog.Record) []byte {
	return m.text.Event(append(b, m.mark...), at, r)
}

// follow returns a route whose streams have an encoding.
func follow(path string, e hub.Encoding) hub.Route {
	return hub.Route{Path: path, Methods: []string{http.MethodGet}, Serve: func(h *hub.Hub, w http.ResponseWriter, r *http.Request, _ string) error {
		grant, err := h.Authorize(r)
		if err != nil {
			return err
		}
		return h.Stream(w, r, grant, &hub.Subscription{Selector: eventlog.Topics("news"), Encoding: e})
	}}
}

// TestRouteThatGetsNoRequestsIsRefused: a route below the path of an earlier one was never asked, and nothing said so.
func TestRouteThatGetsNoRequestsIsRefused(t *testing.T) {
	t.Parallel()
	at := func(paths ...string) (o other) {
		for _, path := range paths {
			o.routes = append(o.routes, follow(path, text{}))
		}
		return o
	}
	noHandler := at("/a")
	noHandler.routes[0].Serve = nil
	noMethod := at("/a")
	noMethod.routes[0].Methods = nil
	for name, test := range map[string]struct {
		dialects []hub.Dialect
		says     []string
	}{
		"below the native route":   {[]hub.Dialect{at("/events/x")}, []string{"/events/x", "/events/ "}},
		"below another dialect":    {[]hub.Dialect{lines{}, at("/lines/a/b/")}, []string{"/lines/a/b/", "/lines/ ", "dialecttest.lines", "dialecttest.other"}},
		"below its own":            {[]hub.Dialect{at("/a/", "/a/b")}, []string{"/a/b", "/a/ "}},
		"below all":                {[]hub.Dialect{at("/"), lines{}}, []string{"/lines/", "/ "}},
		"the same":                 {[]hub.Dialect{at("/healthz")}, []string{"/healthz"}},
		"no slash":                 {[]hub.Dialect{at("a")}, []string{`"a"`}},
		"a query":                  {[]hub.Dialect{at("/a?b")}, []string{`"/a?b"`}},
		"not escaped":              {[]hub.Dialect{at("/a b")}, []string{`"/a b"`}},
		"empty":                    {[]hub.Dialect{at("")}, []string{`""`}},
		"no handler":               {[]hub.Dialect{noHandler}, []string{"/a"}},
		"no method":                {[]hub.Dialect{noMethod}, []string{"/a"}},
		"above an earlier one":     {[]hub.Dialect{at("/a/b", "/a/", "/a", "/")}, nil},
		"beside":                   {[]hub.Dialect{lines{}, at("/linesx", "/lines", "/%7Ea/")}, nil},
		"below a path without one": {[]hub.Dialect{at("/a", "/a/b")}, nil},
	} {
		_, err := hub.Prepare(&hub.Options{Dialects: test.dialects})
		if (err == nil) != (test.says == nil) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, part := range test.says {
			if !strings.Contains(err.Error()+" ", part) {
				t.Errorf("%s: %q does not name %s", name, err, part)
			}
		}
	}
}

// TestKeyOfAnotherEncodingIsRefused: the streams of two encodings with one key got each other's bytes.
func TestKeyOfAnotherEncodingIsRefused(t *testing.T) {
	t.Parallel()
	each(t, hub.Options{Dialects: []hub.Dialect{other{routes: []hub.Route{
		follow("/same", marked{key: "lines"}),
		follow("/same/again", marked{key: "lines", mark: []byte{}}),
		follow("/marked", marked{key: "lines", mark: []byte("> ")}),
		follow("/native", marked{key: "sse"}),
		follow("/own", marked{key: "marked", mark: []byte("> ")}),
	}}}}, func(s *site) {
		plain := []*follower{s.follow("/lines/news", ""), s.follow("/same", ""), s.follow("/same/again", "")}
		own := s.follow("/own", "")
		for _, path := range []string{"/marked", "/native"} {
			if status, body := s.ask(http.MethodGet, path, "", ""); status != http.StatusInternalServerError {
				s.Errorf("%s: %d %q", path, status, body)
			}
		}
		s.post("/lines/news", "one")
		own.want("> one")
		for _, f := range plain {
			f.want("one")
		}
		if resp := s.send(http.MethodGet, "/events/news", "", ""); resp.StatusCode != http.StatusOK {
			s.Errorf("the native dialect answers %s", resp.Status)
		}
	})
}
