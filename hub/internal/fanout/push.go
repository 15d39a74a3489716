package fanout

import (
	"unsafe"

	"github.com/tidings-sse/tidings/hub/internal/socket"
)

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
	n, all, err := d.writeChunks(b, chunks)
	switch {
	case err != nil:
		return accepted{at: from}, err
	case all && n == 0:
		return accepted{all: true, at: from}, nil
	}
	d.moved = d.moved || n > 0
	d.bytes.Add(int64(n))
	d.shard.f.count.sent(1, eventsUpTo(chunks, n), n)
	got := accepted{all: all}
	d.rest, got.at, got.dropped = cut(chunks, n, d.owes(), from)
	return got, nil
}

// writeChunks hands chunks to the client until its connection takes no more. It returns how many bytes the connection has taken, and whether these are
// all.
func (d *direct) writeChunks(b *[]byte, chunks []chunk) (n int, all bool, err error) {
	for len(chunks) > 0 {
		part, of := join(b, chunks)
		chunks = chunks[of:]
		if len(part) == 0 {
			continue
		}
		took, err := d.write(part)
		n += took
		if err != nil || took < len(part) {
			return n, false, err
		}
	}
	return n, true, nil
}

// separate is the size in bytes from which a chunk is not joined with others. A connection may take a large event in hundreds of parts, and copying the
// rest for each of them would take quadratic time. For smaller chunks, a copy costs less than a call for each.
const separate = 16 << 10

// join returns the bytes of the first chunks, and of how many: small ones together, in b, and a single or a large one as it is, without a copy. The
// bytes must not be changed.
func join(b *[]byte, chunks []chunk) (part []byte, n int) {
	if len(chunks) == 1 || len(chunks[0].text) >= separate {
		return bytesOf(chunks[0].text), 1
	}
	*b = (*b)[:0]
	for n < len(chunks) && len(chunks[n].text) < separate && len(*b) < pageBytes {
		*b = append(*b, chunks[n].text...)
		n++
	}
	return *b, n
}

// bytesOf returns the bytes of a text. They must not be changed.
func bytesOf(text string) []byte { return unsafe.Slice(unsafe.StringData(text), len(text)) }

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
