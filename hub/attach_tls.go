package hub

import (
	"bytes"
	"crypto/tls"
	"reflect"
)

// forgetHandshake frees two buffers of a TLS connection of which nothing is read any more. They have what the client said first, some
// 4 KB, as much as all else that an idle subscriber costs, and crypto/tls keeps them as long as the connection. It has no function for
// that: if it is not as we know it, they stay where they are.
func forgetHandshake(conn *tls.Conn) {
	for _, name := range []string{"rawInput", "hand"} {
		if b := bufferOf(reflect.ValueOf(conn).Elem().FieldByName(name)); b != nil && b.Len() == 0 {
			*b = bytes.Buffer{}
		}
	}
}

// bufferOf returns the buffer that a field is, nil if it is none.
func bufferOf(field reflect.Value) *bytes.Buffer {
	if !field.IsValid() || field.Type() != reflect.TypeFor[bytes.Buffer]() {
		return nil
	}
	return (*bytes.Buffer)(field.Addr().UnsafePointer())
}
