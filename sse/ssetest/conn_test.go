package ssetest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidings-sse/tidings/sse/ssetest"
)

// connect returns both ends of a connection with the given buffer.
func connect(t *testing.T, buffer int) (client, server *ssetest.Conn) {
	t.Helper()
	l := ssetest.NewListener()
	l.Buffer = buffer
	t.Cleanup(func() { _ = l.Close() })
	client, err := l.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = client.Close()
		_ = accepted.Close()
	})
	return client, accepted.(*ssetest.Conn)
}

func write(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if n, err := io.WriteString(c, text); n != len(text) || err != nil {
		t.Fatalf("writing %q: %d bytes, %v", text, n, err)
	}
}

func read(t *testing.T, c net.Conn, size int) string {
	t.Helper()
	b := make([]byte, size)
	n, err := c.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

func TestReadNeverJoinsWrites(t *testing.T) {
	client, server := connect(t, 0)
	write(t, server, "abc")
	write(t, server, "")
	write(t, server, "def")
	for _, want := range []string{"ab", "c", "de", "f"} {
		if got := read(t, client, 2); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestFullBufferBlocksTheWriter(t *testing.T) {
	for _, buffer := range []int{0, 1, 1000} {
		synctest.Test(t, func(t *testing.T) {
			size := buffer
			if size == 0 {
				size = ssetest.DefaultBuffer
			}
			client, server := connect(t, buffer)
			write(t, server, strings.Repeat("x", size)) // fills the buffer
			done := make(chan error)
			go func() {
				n, err := server.Write([]byte("yz"))
				if n != 2 {
					t.Errorf("wrote %d bytes, want 2", n)
				}
				done <- err
			}()
			synctest.Wait()
			select {
			case err := <-done:
				t.Fatalf("the write returned with %v although the buffer is full", err)
			default:
			}
			got := make([]byte, size+2)
			if _, err := io.ReadFull(client, got); err != nil || !bytes.HasSuffix(got, []byte("xyz")) {
				t.Errorf("got %.20q… and %v", got, err)
			}
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

func TestDirectionsAreIndependent(t *testing.T) {
	client, server := connect(t, 3)
	write(t, server, "abc")
	write(t, client, "def")
	if got := read(t, client, 9) + read(t, server, 9); got != "abcdef" {
		t.Errorf("got %q", got)
	}
}

func TestCloseIsACleanEnd(t *testing.T) {
	client, server := connect(t, 0)
	write(t, server, "last")
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	if got, err := io.ReadAll(client); string(got) != "last" || err != nil {
		t.Errorf("the other end read %q and %v, want what was sent and a clean end", got, err)
	}
	if _, err := client.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("the other end's write gives %v, want EPIPE", err)
	}
	if _, err := server.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a read of the closed end gives %v", err)
	}
	if _, err := server.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a write to the closed end gives %v", err)
	}
	if err := server.Close(); err != nil {
		t.Errorf("closing again gives %v", err)
	}
}

func TestResetIsAnErrorAtBothEnds(t *testing.T) {
	client, server := connect(t, 0)
	write(t, server, "last")
	write(t, client, "never read")
	if err := server.Reset(); err != nil {
		t.Error(err)
	}
	got, err := io.ReadAll(client)
	if string(got) != "last" || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the other end read %q and %v, want what was sent and ECONNRESET", got, err)
	}
	if !strings.Contains(err.Error(), "connection reset") {
		t.Errorf("the error reads %q", err)
	}
	for name, c := range map[string]net.Conn{"this": server, "the other": client} {
		if _, err := c.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%s end's write gives %v", name, err)
		}
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%s end's read gives %v", name, err)
		}
	}
	if _, ok := errors.AsType[*net.OpError](err); !ok {
		t.Errorf("the error is a %T, want a *net.OpError", err)
	}
}

func TestEndOfAConnectionWakesReadsAndWrites(t *testing.T) {
	for name, c := range map[string]struct {
		end         func(client, server *ssetest.Conn)
		read, write error // of the client
	}{
		"close by the other end": {func(_, s *ssetest.Conn) { _ = s.Close() }, io.EOF, syscall.EPIPE},
		"reset by the other end": {func(_, s *ssetest.Conn) { _ = s.Reset() }, syscall.ECONNRESET, syscall.ECONNRESET},
		"close by this end":      {func(c, _ *ssetest.Conn) { _ = c.Close() }, net.ErrClosed, net.ErrClosed},
		"reset by this end":      {func(c, _ *ssetest.Conn) { _ = c.Reset() }, syscall.ECONNRESET, syscall.ECONNRESET},
		"a deadline in the past": {func(c, _ *ssetest.Conn) { _ = c.SetDeadline(time.Unix(1, 0)) }, os.ErrDeadlineExceeded, os.ErrDeadlineExceeded},
		"a deadline":             {func(c, _ *ssetest.Conn) { _ = c.SetDeadline(time.Now().Add(time.Minute)) }, os.ErrDeadlineExceeded, os.ErrDeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := connect(t, 4)
				readErr, writeErr := make(chan error, 1), make(chan error, 1)
				go func() {
					_, err := client.Read(make([]byte, 1))
					readErr <- err
				}()
				go func() {
					n, err := client.Write([]byte("too long"))
					if n != 4 {
						t.Errorf("%d bytes were written, want the 4 that fit", n)
					}
					writeErr <- err
				}()
				synctest.Wait()
				c.end(client, server)
				if err := <-readErr; !errors.Is(err, c.read) {
					t.Errorf("the read ends with %v, want %v", err, c.read)
				}
				if err := <-writeErr; !errors.Is(err, c.write) {
					t.Errorf("the write ends with %v, want %v", err, c.write)
				}
			})
		})
	}
}

func TestConnDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := connect(t, 1)
		start := time.Now()
		timesOut := func(after time.Duration) {
			t.Helper()
			_, err := client.Read(make([]byte, 1))
			if !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != after {
				t.Errorf("after %v a read gives %v, want a timeout after %v", time.Since(start), err, after)
			}
			if timeout, ok := errors.AsType[net.Error](err); !ok || !timeout.Timeout() {
				t.Errorf("%v is not a net.Error with Timeout", err)
			}
		}
		_ = client.SetReadDeadline(start.Add(time.Second))
		timesOut(time.Second)
		timesOut(time.Second) // the deadline stays

		_ = client.SetReadDeadline(start.Add(time.Minute)) // the next call replaces it
		_ = client.SetReadDeadline(start.Add(time.Hour))
		timesOut(time.Hour)

		// After the deadline is removed, reads succeed. Writes never failed.
		_ = client.SetReadDeadline(start.Add(2 * time.Hour))
		_ = client.SetReadDeadline(time.Time{})
		write(t, client, "a")
		<-time.After(3 * time.Hour)
		write(t, server, "b")
		if got := read(t, client, 1); got != "b" {
			t.Errorf("got %q", got)
		}

		// After a deadline a Read fails even if bytes have arrived, as with a TCP socket. The bytes are not lost.
		write(t, server, "c")
		_ = client.SetReadDeadline(time.Now())
		timesOut(4 * time.Hour)
		_ = client.SetReadDeadline(time.Time{})
		if got := read(t, client, 1); got != "c" {
			t.Errorf("got %q", got)
		}
	})
}

func TestListenerAcceptsUntilClose(t *testing.T) {
	l := ssetest.NewListener()
	client, err := l.Dial(t.Context()) // before Accept
	if err != nil {
		t.Fatal(err)
	}
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if server.RemoteAddr().String() != client.LocalAddr().String() || server.LocalAddr().String() != l.Addr().String() {
		t.Errorf("the addresses are %v → %v and %v → %v", client.LocalAddr(), client.RemoteAddr(), server.RemoteAddr(), server.LocalAddr())
	}
	other, err := l.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if other.LocalAddr().String() == client.LocalAddr().String() {
		t.Error("two clients have the same address")
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("accepting after Close gives %v", err)
	}
	if _, err := l.Dial(t.Context()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dialling after Close gives %v", err)
	}
	if _, err := other.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("reading a connection that was not accepted gives %v", err)
	}
	write(t, server, "x") // an accepted connection stays open
	if got := read(t, client, 1); got != "x" {
		t.Errorf("got %q", got)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

func TestCloseWakesAccept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := ssetest.NewListener()
		accepted := make(chan error)
		go func() {
			_, err := l.Accept()
			accepted <- err
		}()
		synctest.Wait()
		_ = l.Close()
		if err := <-accepted; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept ends with %v", err)
		}
	})
}

func TestDialWaitsUntilItsContextIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := ssetest.NewListener()
		defer l.Close()
		for {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, err := l.Dial(ctx)
			cancel()
			if err != nil {
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("the error is %v", err)
				}
				return
			}
		}
	})
}

func TestResetAllAbortsEveryConnection(t *testing.T) {
	l := ssetest.NewListener()
	defer l.Close()
	var clients []*ssetest.Conn
	for range 3 {
		client, err := l.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		server, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		write(t, server, "x")
		clients = append(clients, client)
	}
	_ = clients[0].Close() // the listener forgets it
	l.ResetAll()
	for i, client := range clients[1:] {
		got, err := io.ReadAll(client)
		if string(got) != "x" || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("client %d reads %q and %v", i+1, got, err)
		}
	}
	if _, err := l.Dial(t.Context()); err != nil {
		t.Errorf("dialling after ResetAll gives %v", err)
	}
}

func TestClientReachesTheListenerUnderAnyHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := ssetest.NewListener()
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, r.Host)
		})}
		go func() { _ = server.Serve(l) }()
		defer server.Close()
		for _, host := range []string{"a.example", "b.example:8080", "127.0.0.1", "[::1]:1"} {
			for _, scheme := range []string{"http", "https"} {
				resp, err := l.Client().Get(scheme + "://" + host + "/")
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(resp.Body)
				if err != nil || string(body) != host {
					t.Errorf("%s://%s: got %q and %v", scheme, host, body, err)
				}
				if err := resp.Body.Close(); err != nil {
					t.Error(err)
				}
			}
		}
		if first, second := l.Client(), l.Client(); first != second {
			t.Error("the client is not always the same")
		}
	})
}
