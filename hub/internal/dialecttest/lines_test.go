package dialecttest

import (
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strings"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
)

// lines is a dialect. GET /lines/T subscribes to a topic; with a * at the end of T, to all topics with that prefix. POST /lines/T publishes its
// body as one event; with batch each line as one, all or none; with each every line as it arrives. With private, only members get the events.
type lines struct{}

func (lines) Routes() []hub.Route {
	return []hub.Route{{Path: "/lines/", Methods: []string{http.MethodGet, http.MethodHead, http.MethodPost}, Serve: serve}}
}

// Headers implements [hub.Dialect].
func (lines) Headers() (request, response []string) { return []string{"User"}, []string{"Lines-After"} }

// Refuse answers in plain text. This dialect has one status for everything that is not granted.
func (lines) Refuse(w http.ResponseWriter, _ *http.Request, p *hub.Problem) {
	status := p.Status
	if status == http.StatusForbidden {
		status = http.StatusUnauthorized
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, "%s: %s\n", p.Name, p.Detail)
}

// private is a flag of records.
const private eventlog.Flags = 1 << 40

func public(r *eventlog.Record) bool { return r.Flags&private == 0 }

func serve(h *hub.Hub, w http.ResponseWriter, r *http.Request, below string) error {
	grant, err := h.Authorize(r)
	if err != nil {
		return err
	}
	if r.Method == http.MethodPost {
		return publish(h, w, r, grant, below)
	}
	s := hub.Subscription{Encoding: text{}, Selector: eventlog.Topics(below)}
	may := grant.MayRead(below)
	if prefix, ok := strings.CutSuffix(below, "*"); ok {
		s.Selector = eventlog.Select(nil, beginning(prefix))
		may = grant.MayFollow(beginning(prefix))
	}
	if !may {
		return &hub.Problem{Name: "not-for-you", Status: http.StatusForbidden, Detail: "ask for " + below}
	}
	if grant.Subject != "member" {
		s.Selector, s.Filter = s.Selector.Filter(public), "public"
	}
	if after := r.URL.Query().Get("after"); after == "start" {
		s.Start.Seek = &eventlog.Start{}
	} else if after != "" {
		s.Start.Positions = []string{after}
	}
	s.Poll = r.URL.Query().Has("poll")
	s.Begin = func(header http.Header, at eventlog.Position, gap *hub.Gap) {
		header.Set("Lines-After", at.String())
		if gap != nil {
			header.Set("Lines-Lost-After", gap.From)
		}
	}
	err = h.Stream(w, r, grant, &s)
	if errors.Is(err, hub.ErrComplete) {
		return &hub.Problem{Name: "complete", Status: http.StatusGone, Detail: "all lines have been sent"}
	}
	return err
}

func publish(h *hub.Hub, w http.ResponseWriter, r *http.Request, grant access.Grant, topic string) error {
	e := hub.Event{Topics: []string{topic}, End: r.URL.Query().Has("end")}
	if r.URL.Query().Has("private") {
		e.Flags = private
	}
	return h.Receive(w, r, grant, func(p *hub.Publication) (err error) {
		if err := p.Check(&e); err != nil {
			return err
		}
		if r.URL.Query().Has("each") {
			return publishEach(w, p, e)
		}
		if e.Data, err = p.ReadBody(0); err != nil {
			return err
		}
		events := []hub.Event{e}
		if r.URL.Query().Has("batch") { // each line is an event, and all are stored or none
			events = nil
			for line := range strings.Lines(e.Data) {
				e.Data = strings.TrimSuffix(line, "\n")
				events = append(events, e)
			}
		}
		receipts, err := p.Append(events...)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(w, receipts[len(receipts)-1])
		return err
	})
}

// publishEach stores each line of a body as it arrives. A line that is "panic" is a fault of the parser.
func publishEach(w http.ResponseWriter, p *hub.Publication, e hub.Event) error {
	done, err := p.AppendStream(func(body *hub.Body) iter.Seq2[hub.Event, error] {
		return func(yield func(hub.Event, error) bool) {
			for line, err := range body.Lines(1 << 10) {
				if e.Data = strings.TrimSuffix(string(line), "\n"); e.Data == "panic" {
					panic("a fault of the parser")
				}
				if !yield(e, err) {
					return
				}
			}
		}
	})
	if err != nil {
		return fmt.Errorf("after %d lines: %w", done.Count, err)
	}
	_, err = fmt.Fprintln(w, done.Count, done.Last)
	return err
}

// beginning matches the topics that begin with a text. It is no native pattern.
type beginning string

func (b beginning) Prefix() string          { return string(b) }
func (b beginning) Match(topic string) bool { return strings.HasPrefix(topic, string(b)) }
func (b beginning) String() string          { return string(b) + "*" }

// text is the encoding.
type text struct{}

func (text) Key() string { return "lines" }

func (text) Header(h http.Header) {
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
}

// Event hides the end of a topic: the end of the stream shows it.
func (text) Event(b []byte, _ eventlog.Position, r *eventlog.Record) []byte {
	if r.Flags&eventlog.End != 0 && r.Data == "" {
		return b
	}
	return append(append(b, r.Data...), '\n')
}

func (text) Control(b []byte, c hub.Control) []byte {
	if c.Kind == hub.ControlHeartbeat {
		return append(b, '\n')
	}
	return b
}
