package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
)

// client publishes over one connection with little processor time, because the load shares the processors with all hubs, and the yardstick's
// load has no HTTP. net/http takes several times as much for a request.
type client struct {
	conn    net.Conn
	in      *bufio.Reader
	request []byte
}

// newClient returns a client that publishes the same records, 200 bytes of text each, with every call of publish.
func newClient(ctx context.Context, addr string, count int, seed uint64) (*client, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	records := texts(count, seed)
	kind, body := "text/plain", records[0]
	if count > 1 {
		kind = "application/x-ndjson"
		body = `{"data":"` + strings.Join(records, "\"}\n{\"data\":\"") + "\"}\n"
	}
	request := fmt.Appendf(nil, "POST /events/bench HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", kind, len(body), body)
	return &client{conn, bufio.NewReaderSize(conn, 4<<10), request}, nil
}

var words = strings.Fields("the price of a late train from north to south rose by some points while all other seats were sold at noon")

// texts returns the data of records: 200 bytes of words and numbers, of which compression saves about a half, as of many real ones. JetStream
// compresses large messages, so that the yardstick needs the same data.
func texts(count int, seed uint64) (all []string) {
	random := rand.New(rand.NewPCG(seed, 0))
	for range count {
		var b strings.Builder
		for b.Len() < recordSize {
			fmt.Fprintf(&b, "%s %x ", words[random.IntN(len(words))], random.Uint32())
		}
		all = append(all, b.String()[:recordSize])
	}
	return all
}

// publish returns an error unless the hub has acknowledged the records.
func (c *client) publish(context.Context) error {
	if _, err := c.conn.Write(c.request); err != nil {
		return err
	}
	var status string
	for length := 0; ; {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		switch line = bytes.TrimRight(line, "\r\n"); {
		case status == "":
			status = string(line)
		case len(line) == 0:
			answer := make([]byte, length)
			if _, err := io.ReadFull(c.in, answer); err != nil {
				return err
			}
			if status != "HTTP/1.1 200 OK" {
				return fmt.Errorf("%s: %.300s", status, answer)
			}
			return nil
		default:
			if n, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
				if length, err = strconv.Atoi(string(n)); err != nil {
					return err
				}
			}
		}
	}
}
