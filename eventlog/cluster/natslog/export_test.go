package natslog

// Internals that the tests use.
var (
	Refused = refused
	Led     = led
)

// Reconnect breaks the connection.
func (o *Order) Reconnect() error { return o.nc.ForceReconnect() }
