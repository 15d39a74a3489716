package hub

import (
	"net/http"

	"github.com/tidings-sse/tidings/hub/internal/h2"
)

// HTTP2 makes a server use HTTP/2 of the hub instead of that of net/http, for all its handlers. Call it before the server serves:
//
//	server := &http.Server{Addr: ":443", Handler: h}
//	h.HTTP2(server)
//	l, err := (&net.ListenConfig{KeepAlive: -1}).Listen(ctx, "tcp", server.Addr)
//	…
//	err = server.ServeTLS(hub.BelowTLS(l), "cert.pem", "key.pem")
//
// It is for hubs with many subscribers over HTTP/2. A stream then needs no goroutine and no buffer, and one write serves all streams of a
// connection. [http.Protocols] and most options of the server mean the same. Of [http.HTTP2Config] only MaxConcurrentStreams has an effect, which is
// 250 by default. There is no server push.
//
// [http.Server.SetKeepAlivesEnabled] has no effect on HTTP/2. The result is the same for HTTP/2, for a server that runs out of connections. While
// keep-alives are off, connections without streams end, and the others when their last stream ends. A client that has sent a request meanwhile can send it
// again: it was not processed. A new connection has 5 s for its first request; a second call with false ends those that have sent none.
func (h *Hub) HTTP2(server *http.Server) (setKeepAlives func(bool)) {
	return h2.Configure(server, h2.Options{WriteTimeout: h.opts.WriteTimeout})
}
