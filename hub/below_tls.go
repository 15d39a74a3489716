package hub

import (
	"net"

	"github.com/tidings-sse/tidings/hub/internal/socket"
)

// BelowTLS returns a listener for [http.Server.ServeTLS] or [tls.NewListener] whose connections take bytes without blocking, on Linux. It is
// for hubs that serve TLS themselves: the hub then sends to streams over TLS as directly as to others. Without it, or with a layer between TLS
// and net/http, each stream of HTTP/1.1 and each connection of HTTP/2 needs a goroutine while it is sent events, and the hub notices that a
// client has gone only when its socket closes.
//
// Set DynamicRecordSizingDisabled in the [tls.Config]. Otherwise an event larger than a kilobyte is cut into small records, which are sent one by
// one.
func BelowTLS(l net.Listener) net.Listener { return socket.Listen(l) }
