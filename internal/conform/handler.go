package conform

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"

	"github.com/tidings-sse/tidings/sse"
)

// Open opens a client that calls event for each event. It returns when the client has given up, with the reason or nil, or when ctx is done.
type Open func(ctx context.Context, url string, header http.Header, event func(sse.Event)) error

// Handler is a driver for a client in Go.
func Handler(c Client, open Open) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			_ = json.NewEncoder(w).Encode(c) // the runner notices
			return
		}
		var o order
		if err := json.NewDecoder(r.Body).Decode(&o); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		header := http.Header{}
		for name, value := range o.Headers {
			header.Set(name, value)
		}
		w.Header().Set("Content-Type", "application/x-ndjson")
		var mu sync.Mutex // guards w: a client may go on after open has returned
		say := func(line map[string]any) {
			mu.Lock()
			defer mu.Unlock()
			if r.Context().Err() == nil {
				_ = json.NewEncoder(w).Encode(line) // the runner notices
				w.(http.Flusher).Flush()
			}
		}
		say(nil)
		ctx, stop := context.WithCancel(r.Context())
		defer stop()
		events := 0
		err := open(ctx, o.URL, header, func(e sse.Event) {
			say(map[string]any{"event": map[string]any{"type": e.Type, "data": e.Data, "id": e.ID}})
			if events++; events == o.Close {
				stop()
			}
		})
		closed := ""
		if err != nil {
			closed = err.Error()
		}
		say(map[string]any{"closed": closed})
		<-r.Context().Done()
		mu.Lock() // waits for the last line
		defer mu.Unlock()
	})
}
