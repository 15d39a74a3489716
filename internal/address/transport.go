package address

import (
	"context"
	"net"
	"net/http"
)

// Transport returns a transport like base that reaches the hub: through its socket, if it has one.
func (h Hub) Transport(base *http.Transport) *http.Transport {
	own := base.Clone()
	if h.Socket != "" {
		own.Proxy = nil
		own.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", h.Socket)
		}
	}
	return own
}
