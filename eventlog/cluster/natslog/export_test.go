package natslog

// What the tests reach into.
var (
	Refused = refused
	Led     = led
)

// Reconnect breaks the connection.
func (o *Order) Reconnect() error { return o.nc.ForceReconnect() }
