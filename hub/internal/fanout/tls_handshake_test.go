package fanout

import (
	"crypto/tls"
	"net"
	"reflect"
	"testing"
)

// TestTLSConnectionFreesItsHandshakeBuffers: it fails if crypto/tls renames the fields of the buffers.
func TestTLSConnectionFreesItsHandshakeBuffers(t *testing.T) {
	_, inner := net.Pipe()
	conn := tls.Server(inner, new(tls.Config))
	for _, name := range []string{"rawInput", "hand"} {
		f := reflect.ValueOf(conn).Elem().FieldByName(name)
		if !f.IsValid() {
			t.Fatalf("tls.Conn has no field %s", name)
		}
		b := bufferOf(f)
		b.Grow(1 << 10)
		if forgetHandshake(conn); b.Cap() != 0 {
			t.Errorf("%s keeps %d bytes", name, b.Cap())
		}
		b.WriteString("unread")
		if forgetHandshake(conn); b.String() != "unread" {
			t.Errorf("%s forgets what is still to be read", name)
		}
		b.Reset()
	}
}
