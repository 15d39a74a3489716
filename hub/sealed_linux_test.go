package hub_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/hub"
	"github.com/tidings-sse/tidings/sse"
)

// overTLS is HTTP/1.1 over TLS, with sockets that belong to shards.
var overTLS = transport{name: "TLS", tls: true}

// TestSlowTLSReaderGetsEveryByte: with every kind of cipher, although sealed bytes cannot be taken back when the socket is full.
func TestSlowTLSReaderGetsEveryByte(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*tls.Config){
		"TLS 1.3": func(c *tls.Config) { c.MinVersion = tls.VersionTLS13 },
		"GCM":     suite(tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
		"ChaCha":  suite(tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
		"CBC":     suite(tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, mustMemory(t, nil), &hub.Options{WriteTimeout: patience, Window: 1 << 16}, overTLS)
			_, _, in := s.openOver("/events/news", func(c *net.TCPConn) {
				if err := c.SetReadBuffer(128 << 10); err != nil {
					t.Fatal(err)
				}
			}, change)
			await(t, "the stream is open", func() bool { return s.hub.Streams() == 1 })
			const n = 60
			size := func(i int) int { return i * i * 40 }
			for i := range n {
				s.hubPublish(hub.Event{Topics: []string{"news"}, Data: fmt.Sprint(i, strings.Repeat("x", size(i)))})
			}
			await(t, "the socket is full", func() bool { return s.hub.Stalled() == 1 })
			d := sse.NewDecoder(trickle{in, rand.New(rand.NewPCG(1, 2))}, nil)
			for i := 0; i < n; {
				if !d.Next() {
					t.Fatalf("the stream ends after %d events: %v", i, d.Err())
				}
				if e := d.Event(); e.Type == sse.DefaultType {
					if want := fmt.Sprint(i, strings.Repeat("x", size(i))); e.Data != want {
						t.Fatalf("event %d is %.30q with %d bytes, want %d", i, e.Data, len(e.Data), len(want))
					}
					i++
				}
			}
		})
	}
}

func suite(id uint16) func(*tls.Config) {
	return func(c *tls.Config) { c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{id} }
}

// TestLastAlertOfAClientEndsItsStream, even if its socket stays open.
func TestLastAlertOfAClientEndsItsStream(t *testing.T) {
	t.Parallel()
	s := serve(t, mustMemory(t, nil), nil, overTLS)
	conn, _, _ := s.openOver("/events/news", nil, nil)
	await(t, "the stream is open", func() bool { return s.hub.Streams() == 1 })
	if err := conn.(*tls.Conn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	await(t, "the stream has ended", func() bool { return s.hub.Streams() == 0 })
}

// recorded is a connection that remembers what was read from it.
type recorded struct {
	net.Conn
	read bytes.Buffer
}

func (r *recorded) Read(b []byte) (int, error) {
	n, err := r.Conn.Read(b)
	r.read.Write(b[:n])
	return n, err
}

// TestCompleteTLSStreamEndsWithAnAlert: the alert tells the client that nothing was cut off. TLS 1.2 does not hide the types of records.
func TestCompleteTLSStreamEndsWithAnAlert(t *testing.T) {
	t.Parallel()
	s := serve(t, mustMemory(t, nil), nil, overTLS)
	tcp, err := net.Dial("tcp", strings.TrimPrefix(s.url, "https://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tcp.Close() })
	raw := &recorded{Conn: tcp}
	conn := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12})
	if _, err := io.WriteString(conn, "GET /events/news HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	await(t, "the stream is open", func() bool { return s.hub.Streams() == 1 })
	s.hubPublish(hub.Event{Topics: []string{"news"}, Data: "bye", End: true})
	if body, err := io.ReadAll(conn); err != nil || !strings.Contains(string(body), "bye") {
		t.Fatalf("%v after %q", err, body)
	}
	const alert = 21 // RFC 5246, section 6.2.1
	if kinds := recordKinds(raw.read.Bytes()); kinds[len(kinds)-1] != alert {
		t.Errorf("the records have the types %d", kinds)
	}
}

// recordKinds returns the types of records.
func recordKinds(b []byte) (kinds []byte) {
	for len(b) >= 5 {
		kinds = append(kinds, b[0])
		b = b[min(len(b), 5+int(b[3])<<8+int(b[4])):]
	}
	return kinds
}

// keyUpdates makes records of a TLS 1.3 client in which it changes its keys, and asks the server to change its own (RFC 8446, sections 4.6.3, 5.2
// and 7.2). crypto/tls has no function for that.
type keyUpdates struct {
	secret []byte
	seq    byte // of the next record
}

func (k *keyUpdates) expand(label string, size int) []byte {
	label = "tls13 " + label
	info := append(append([]byte{byte(size >> 8), byte(size), byte(len(label))}, label...), 0)
	key, err := hkdf.Expand(sha256.New, k.secret, string(info), size)
	if err != nil {
		panic(err)
	}
	return key
}

func (k *keyUpdates) next() []byte {
	const keyUpdate, requested, handshake = 24, 1, 22
	block, err := aes.NewCipher(k.expand("key", 16))
	if err != nil {
		panic(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	nonce := k.expand("iv", 12)
	nonce[11] ^= k.seq
	inner := []byte{keyUpdate, 0, 0, 1, requested, handshake}
	header := []byte{23, 3, 3, 0, byte(len(inner) + gcm.Overhead())}
	k.secret, k.seq = k.expand("traffic upd", 32), 0
	return gcm.Seal(header, nonce, inner, header)
}

// openWithKeys opens a stream whose client can change its keys.
func (s *site) openWithKeys(tune func(*net.TCPConn)) (tcp net.Conn, in io.Reader, keys *keyUpdates) {
	var log bytes.Buffer
	_, tcp, in = s.openOver("/events/news", tune, func(c *tls.Config) {
		c.KeyLogWriter, c.MinVersion = &log, tls.VersionTLS13
	})
	await(s.T, "the stream is open", func() bool { return s.hub.Streams() == 1 })
	for line := range strings.Lines(log.String()) {
		if fields := strings.Fields(line); fields[0] == "CLIENT_TRAFFIC_SECRET_0" {
			secret, err := hex.DecodeString(fields[2])
			if err != nil || len(secret) != sha256.Size {
				s.Fatal(len(secret), err)
			}
			return tcp, in, &keyUpdates{secret, 1} // the request was number 0
		}
	}
	s.Fatal("the client has no keys")
	return nil, nil, nil
}

// TestTLSClientMayChangeTheKeys: the hub continues with its own next keys.
func TestTLSClientMayChangeTheKeys(t *testing.T) {
	t.Parallel()
	s := serve(t, mustMemory(t, nil), nil, overTLS)
	tcp, in, keys := s.openWithKeys(nil)
	for range 3 {
		record := keys.next()
		for _, part := range [][]byte{record[:7], record[7:]} { // the hub must not lose the first part
			if _, err := tcp.Write(part); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.post("news", "hello")
	readUntil(t, in, "hello")
}

// TestClientThatOnlyChangesKeysIsDisconnected: new keys cost the hub more than the client's other bytes.
func TestClientThatOnlyChangesKeysIsDisconnected(t *testing.T) {
	t.Parallel()
	s := serve(t, mustMemory(t, nil), nil, overTLS)
	tcp, _, keys := s.openWithKeys(nil)
	for i := 0; s.hub.Streams() > 0; i++ {
		if i > 10_000 {
			t.Fatal("a client may change its keys any number of times")
		}
		if _, err := tcp.Write(keys.next()); err != nil {
			break // the hub has closed the connection
		}
	}
	await(t, "the stream has ended", func() bool { return s.hub.Streams() == 0 })
}
