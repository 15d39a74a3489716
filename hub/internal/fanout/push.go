package fanout

import "github.com/tidings-sse/tidings/hub/internal/socket"

// This file sends chunks to direct subscribers. A client may accept a part of them. A cursor makes an event again, but a control message only
// once, so the rest of a message is kept until it is sent.

// accepted is how much of some chunks a client has accepted.
type accepted struct {
	all     bool   // everything; otherwise direct.rest has a rest, or dropped is set
	dropped bool   // there were more chunks, which the cursor has to make again: those after at
	at      uint64 // everything up to this sequence number was sent, or is in direct.rest
}

// push sends rest and some chunks after it. An error means that the client has disconnected.
func (d *direct) push(b *[]byte, from uint64, chunks []chunk) (accepted, error) {
	if d.rest.text != "" {
		chunks = append([]chunk{d.rest}, chunks...)
	}
	*b = (*b)[:0]
	for i := range chunks {
		*b = append(*b, chunks[i].text...)
	}
	if len(*b) == 0 {
		return accepted{all: true, at: from}, nil
	}
	n, err := d.write(*b)
	if err != nil {
		return accepted{at: from}, err
	}
	d.moved = d.moved || n > 0
	d.bytes.Add(int64(n))
	d.shard.f.count.sent(1, eventsUpTo(chunks, n), n)
	got := accepted{all: n == len(*b)}
	d.rest, got.at, got.dropped = cut(chunks, n, d.owes(), from)
	return got, nil
}

// owes reports whether the byte after those that write has returned is sealed already. The chunk that has it must be sent to its end.
func (d *direct) owes() bool {
	t, ok := d.via.(*sealed)
	return ok && t.owed
}

// write hands bytes to the client, as many as the connection takes.
func (d *direct) write(b []byte) (int, error) {
	switch via := d.via.(type) {
	case *lane:
		return via.out.Send(b)
	case *sealed:
		return via.write(b)
	default:
		return socket.Send(d.fd, b)
	}
}
