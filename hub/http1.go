package hub

import (
	"context"
	"net/http"
	"slices"

	"github.com/tidings-sse/tidings/hub/internal/h1"
)

// HTTP1 makes a server serve publishers over HTTP/1.1 without TLS by the hub instead of by net/http, at about half the cost. Call it before the server
// serves, and after its Handler is set:
//
//	server := &http.Server{Addr: ":80", Handler: h}
//	h.HTTP1(server)
//	err := server.ListenAndServe()
//
// The hub takes over a connection with its first POST or PUT to a path that the hub has such a route for. It calls the server's handler, so that
// middleware still works. A connection goes back to net/http with its first request of any other kind. The hub takes over none if the server has
// a ReadTimeout or a WriteTimeout.
//
// The context of a request that the hub serves ends with the connection, and not when the client disconnects. [Hub.Shutdown] waits for the
// answers of such requests. [http.Server.Close] does not close their connections.
func (h *Hub) HTTP1(server *http.Server) {
	h.publishers = append(h.publishers, h1.Configure(server, h1.Options{
		Serves: h.publishesTo,
		Count:  func(n int) { h.takenOver.Add(int64(n)) },
	}))
}

// publishesTo reports whether a route of a dialect takes the method of a request.
func (h *Hub) publishesTo(r *http.Request) bool {
	route, _ := h.find(r)
	return route.audience == users && slices.Contains(route.Methods, r.Method)
}

// SetKeepAlivesEnabled is like [http.Server.SetKeepAlivesEnabled], for the connections of publishers that the hub has taken over: see [Hub.HTTP1].
func (h *Hub) SetKeepAlivesEnabled(enabled bool) {
	for _, s := range h.publishers {
		s.SetKeepAlivesEnabled(enabled)
	}
}

// endPublishers ends the connections of HTTP1.
func (h *Hub) endPublishers(ctx context.Context) {
	for _, s := range h.publishers {
		s.Shutdown(ctx.Done())
	}
}
