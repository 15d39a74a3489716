package hub_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/tidings-sse/tidings/hub"
)

// TestKeysOfHTTP2ClientsTakeBoundedMemory: each change of keys has an answer, which crypto/tls writes by itself. A client that does not read
// could make the hub keep any number of them.
func TestKeysOfHTTP2ClientsTakeBoundedMemory(t *testing.T) {
	t.Parallel()
	s := serve(t, mustMemory(t, nil), &hub.Options{WriteTimeout: time.Hour}, transport{name: "http2-tls", h2: true, tls: true})
	tcp, err := net.Dial("tcp", strings.TrimPrefix(s.url, "https://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tcp.Close() })
	if err := tcp.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	conn := tls.Client(tcp, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS13, KeyLogWriter: &log})
	var first bytes.Buffer
	first.WriteString(http2.ClientPreface)
	if err := http2.NewFramer(&first, nil).WriteSettings(); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(first.Bytes()); err != nil {
		t.Fatal(err)
	}
	keys := keysOf(t, log.String())
	var idle bytes.Buffer // a frame without an answer, because crypto/tls lets a client change its keys a few times without data
	if err := http2.NewFramer(&idle, nil).WriteWindowUpdate(0, 1); err != nil {
		t.Fatal(err)
	}
	const application = 23
	for {
		var b []byte
		for range 200 {
			for range 10 {
				b = append(b, keys.next()...)
			}
			b = append(b, keys.record(application, idle.Bytes())...)
		}
		if _, err := tcp.Write(b); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("the hub keeps all answers")
		} else if err != nil {
			return
		}
	}
}
