package hub

import (
	"encoding/json"
	"errors"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/hub/internal/pathtopic"
	"github.com/tidings-sse/tidings/internal/wire"
	"github.com/tidings-sse/tidings/sse"
)

// native is the native dialect, which docs/protocol.md describes. Its files begin with native. They use only what package hub exports, as any
// other dialect does.
type native struct{}

var _ Dialect = native{}

func (native) Routes() []Route {
	methods := []string{http.MethodGet, http.MethodHead, MethodQuery, http.MethodPost, http.MethodPut}
	return []Route{
		{"/events", methods, serveEvents},
		{"/events/", methods, serveTopic},
		{"/api/v1/topics", []string{http.MethodGet, http.MethodHead}, serveTopics},
	}
}

// Headers implements [Dialect].
func (native) Headers() (request, response []string) {
	return []string{"Authorization", wire.HeaderLastEventID, wire.HeaderIdempotencyKey, "Content-Type", "Cache-Control"}, []string{"Retry-After", "WWW-Authenticate"}
}

// serveTopic publishes or subscribes to the topic below its path.
func serveTopic(h *Hub, w http.ResponseWriter, r *http.Request, below string) error {
	if below == "" {
		return NewProblem(http.StatusBadRequest, wire.ProblemInvalidTopic, "there is no topic after /events/; name it there, or as a parameter: /events?topic=news")
	}
	topic, err := pathtopic.Parse(below)
	if err != nil {
		return NewProblem(http.StatusBadRequest, wire.ProblemInvalidTopic, "%v", err)
	}
	return serveEvents(h, w, r, topic)
}

// serveEvents publishes or subscribes to a topic. If topic is empty, parameters name the topics.
func serveEvents(h *Hub, w http.ResponseWriter, r *http.Request, topic string) error {
	p, err := parseParams(h, r.URL.RawQuery)
	if err != nil {
		return err
	}
	switch r.Method {
	case http.MethodPost, http.MethodPut:
		return publish(h, w, r, p, topic)
	case MethodQuery:
		return query(h, w, r, p, topic)
	}
	return subscribe(h, w, r, p, topic)
}

// Refuse answers with a problem document (RFC 9457).
func (native) Refuse(w http.ResponseWriter, r *http.Request, p *Problem) {
	if enc, err := negotiate(r.Header); err == nil && p.RetryAfter > 0 && wantsRetry(r) {
		refuseForNow(w, r, enc, p)
		return
	}
	header := w.Header()
	header.Set("Content-Type", wire.MediaProblem)
	header.Set("Cache-Control", "no-store")
	if p.RetryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(int((p.RetryAfter+time.Second-1)/time.Second)))
	}
	if (p.Status == http.StatusUnauthorized || p.Status == http.StatusForbidden) && header.Get("WWW-Authenticate") == "" {
		header.Set("WWW-Authenticate", challenge(p))
	}
	body, _ := json.Marshal(p) // cannot fail: strings and numbers only
	body = append(body, '\n')
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(p.Status)
	_, _ = w.Write(body) // an error means that the client has disconnected
}

// wantsRetry reports whether a request for a stream comes from a browser, or from a client that resumes. EventSource gives up after any
// status but 200. Such clients therefore get temporary refusals as a stream with a reconnection time that ends at once (docs/protocol.md).
// All other clients get the status.
func wantsRetry(r *http.Request) bool {
	path := r.URL.EscapedPath()
	if r.Method != http.MethodGet && r.Method != MethodQuery || path != "/events" && !strings.HasPrefix(path, "/events/") {
		return false
	}
	if r.Header.Get(wire.HeaderLastEventID) != "" {
		return true
	}
	return slices.ContainsFunc([]string{"Sec-Fetch-Mode", "Sec-Fetch-Site", "Sec-Fetch-Dest"}, func(name string) bool { return r.Header.Get(name) != "" })
}

// refuseForNow answers with a stream that contains only the refusal and a reconnection time.
func refuseForNow(w http.ResponseWriter, r *http.Request, enc *nativeEncoding, p *Problem) {
	enc.Header(w.Header())
	after := (p.RetryAfter + rand.N(p.RetryAfter)).Round(time.Millisecond)
	doc := *p
	doc.Extra = maps.Clone(p.Extra)
	if doc.Extra == nil {
		doc.Extra = make(map[string]any)
	}
	doc.Extra["retry"] = max(after.Milliseconds(), 1) // NDJSON has no field for it
	text, _ := json.Marshal(&doc)                     // cannot fail: strings and numbers only
	retry := sse.Event{Type: wire.TypeRetry, Data: string(text), Retry: after}
	body := enc.appendControl(nil, retry, time.Now())
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	if r.ProtoMajor == 1 {
		w.Header().Set("Connection", "close")
	}
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(body) // an error means that the client has disconnected; it reconnects anyway
}

// challenge returns the field WWW-Authenticate of a refusal (RFC 6750, section 3). It gives the public reason if the request had a token.
func challenge(p *Problem) string {
	const realm = `Bearer realm="tidings"`
	refusal, ok := errors.AsType[*access.Refusal](p.Err)
	switch {
	case ok && p.Name == string(wire.ProblemUnauthorized):
		return realm + `, error="invalid_token", error_description="` + refusal.Public + `"`
	case p.Name == string(wire.ProblemForbidden):
		return realm + `, error="insufficient_scope"`
	}
	return realm
}
