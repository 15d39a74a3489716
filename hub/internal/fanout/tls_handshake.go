package fanout

import (
	"bytes"
	"crypto/tls"
	"reflect"
)

// forgetHandshake frees two buffers of a TLS connection that is rarely read. They hold the handshake, some 4 KB, more than the rest of an
// idle subscriber. crypto/tls keeps them as long as the connection, and has no function to free them. forgetHandshake finds
// the buffers by name and type, through reflection. If a Go version renames them, a test fails and the buffers stay in memory.
func forgetHandshake(conn *tls.Conn) {
	for _, name := range []string{"rawInput", "hand"} {
		if b := bufferOf(reflect.ValueOf(conn).Elem().FieldByName(name)); b != nil && b.Len() == 0 {
			*b = bytes.Buffer{}
		}
	}
}

// bufferOf returns the buffer in a field, nil if the field has another type.
func bufferOf(field reflect.Value) *bytes.Buffer {
	if !field.IsValid() || field.Type() != reflect.TypeFor[bytes.Buffer]() {
		return nil
	}
	return (*bytes.Buffer)(field.Addr().UnsafePointer())
}
