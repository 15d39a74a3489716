package fanout

import (
	"bytes"
	"crypto/tls"
	"net"
	"reflect"
)

// This file frees memory that crypto/tls keeps as long as a connection, and has no function to free. It finds the fields by name and type, through
// reflection. If a Go version renames them, a test fails, and the memory stays.

// forgetHandshake frees what a TLS connection that is rarely read keeps of its handshake: two buffers of some 4 KB, more than the rest of an idle
// subscriber, and the secrets for session tickets and for exported keys.
func forgetHandshake(conn *tls.Conn) {
	for _, name := range []string{"rawInput", "hand"} {
		if b := fieldOf[bytes.Buffer](conn, name); b != nil && b.Len() == 0 {
			*b = bytes.Buffer{}
		}
	}
	if secret := fieldOf[[]byte](conn, "resumptionSecret"); secret != nil {
		*secret = nil
	}
	if export := fieldOf[exporter](conn, "ekm"); export != nil {
		*export = nil
	}
}

// exporter makes keys from those of a connection (RFC 8446, section 7.5).
type exporter = func(label string, context []byte, length int) ([]byte, error)

// shortcut makes a TLS connection use another connection below it, without the layer between them.
func shortcut(conn *tls.Conn, below net.Conn) {
	if c := fieldOf[net.Conn](conn, "conn"); c != nil {
		*c = below
	}
}

// fieldOf returns a field of a TLS connection, nil if there is none of that name and type.
func fieldOf[T any](conn *tls.Conn, name string) *T {
	f := reflect.ValueOf(conn).Elem().FieldByName(name)
	if !f.IsValid() || f.Type() != reflect.TypeFor[T]() {
		return nil
	}
	return (*T)(f.Addr().UnsafePointer())
}
