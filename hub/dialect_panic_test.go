package hub_test

import (
	"net/http"
	"testing"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
)

// faulty is a dialect whose encoding panics when the header of a stream is made.
type faulty struct{}

func (faulty) Key() string                                                    { return "faulty" }
func (faulty) Header(http.Header)                                             { panic(http.ErrAbortHandler) }
func (faulty) Event(b []byte, _ eventlog.Position, _ *eventlog.Record) []byte { return b }
func (faulty) Headers() (request, response []string)                          { return nil, nil }
func (faulty) Control(b []byte, _ hub.Control) []byte                         { return b }
func (faulty) Refuse(w http.ResponseWriter, _ *http.Request, p *hub.Problem)  { w.WriteHeader(p.Status) }

func (f faulty) Routes() []hub.Route {
	return []hub.Route{{
		Path: "/faulty", Methods: []string{http.MethodGet},
		Serve: func(h *hub.Hub, w http.ResponseWriter, r *http.Request, _ string) error {
			g, err := h.Authorize(r)
			if err != nil {
				return err
			}
			return h.Stream(w, r, g, &hub.Subscription{Selector: eventlog.Topics("a"), Encoding: f})
		},
	}}
}

// TestStreamOfAPanickingDialectIsNotCounted: a stream whose dialect panics stops counting towards the limits.
func TestStreamOfAPanickingDialectIsNotCounted(t *testing.T) {
	t.Parallel()
	for _, how := range transports {
		t.Run(how.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, mustMemory(t, nil), &hub.Options{Dialects: []hub.Dialect{faulty{}}, MaxConnections: 2}, how)
			for range 4 {
				if resp, err := s.do(t.Context(), request{path: "/faulty"}); err == nil {
					_ = resp.Body.Close()
					t.Errorf("the request is answered with %s", resp.Status)
				}
			}
			s.follow("/events/a", nil).want("tidings.checkpoint:{}")
		})
	}
}
