package fanout

import (
	"bytes"
	"crypto/tls"
	"net"
	"testing"
)

// TestTLSConnectionFreesItsHandshake: it fails if crypto/tls renames the fields.
func TestTLSConnectionFreesItsHandshake(t *testing.T) {
	_, inner := net.Pipe()
	conn := tls.Server(inner, new(tls.Config))
	for _, name := range []string{"rawInput", "hand"} {
		b := fieldOf[bytes.Buffer](conn, name)
		if b == nil {
			t.Fatalf("tls.Conn has no buffer %s", name)
		}
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
	secret, export := fieldOf[[]byte](conn, "resumptionSecret"), fieldOf[exporter](conn, "ekm")
	if secret == nil || export == nil {
		t.Fatal("tls.Conn has other fields for the secrets of its handshake")
	}
	*secret, *export = make([]byte, 32), func(string, []byte, int) ([]byte, error) { return nil, nil }
	if forgetHandshake(conn); *secret != nil || *export != nil {
		t.Error("the secrets of the handshake stay")
	}
}

// TestTLSConnectionWritesToItsSocketDirectly: it fails if crypto/tls renames the field.
func TestTLSConnectionWritesToItsSocketDirectly(t *testing.T) {
	_, inner := net.Pipe()
	_, other := net.Pipe()
	conn := tls.Server(inner, new(tls.Config))
	if shortcut(conn, other); conn.NetConn() != other {
		t.Error("the layer below TLS stays")
	}
}
