package hub

import (
	"net/http"
	"time"

	"github.com/tidings-sse/tidings/sse"
)

// refuseStream refuses a stream. A browser's EventSource gives up for good on any status but 200, so when it is only for a while
// it gets a stream that says when to come back, and ends (PROTOCOL 5). Others get the status.
func (h *Hub) refuseStream(w http.ResponseWriter, r *http.Request, f form, err error) error {
	p := h.asProblem(err)
	if p.RetryAfter == 0 || !fromBrowser(r.Header) && r.Header.Get("Last-Event-ID") == "" {
		return p
	}
	h.count.refuse(p)
	out, err := openSocket(w, r, f, false, h.opts.WriteTimeout)
	if err != nil {
		return err
	}
	later := sse.Event{Type: retryType, Data: controlData(p), Retry: jitter(p.RetryAfter, 2*p.RetryAfter)}
	_ = out.write(appendControl(nil, f, later, time.Now())) // a client that has gone comes back anyway
	return nil
}

func fromBrowser(header http.Header) bool {
	for _, name := range []string{"Sec-Fetch-Mode", "Sec-Fetch-Site", "Sec-Fetch-Dest"} {
		if header.Get(name) != "" {
			return true
		}
	}
	return false
}
