package load

import "bytes"

// scanner finds events in a stream that comes in pieces of any size (WHATWG HTML, 9.2.6). It is cheaper than a decoder
// because it wants only two things of an event: its mark and its ID.
type scanner struct {
	magic []byte
	rest  []byte // of a line whose end has not come yet
	cr    bool   // the last byte was a CR, to which an LF may belong

	id []byte // of the last event that was whole: where to go on from

	// The event that is under way.
	newID  []byte
	hasID  bool
	data   bool
	marked bool
	mark   mark
}

// scan takes in what came, and calls got for each event that is complete by it. It changes b.
func (s *scanner) scan(b []byte, got func(m mark, marked bool)) {
	if s.cr || bytes.IndexByte(b, '\r') >= 0 { // hardly ever
		b = s.onlyLF(b)
	}
	if len(s.rest) > 0 {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			s.rest = append(s.rest, b...)
			return
		}
		s.rest = append(s.rest, b[:i]...)
		b = b[i+1:]
		s.line(s.rest, got)
		s.rest = s.rest[:0]
	}
	for {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			s.rest = append(s.rest, b...)
			return
		}
		s.line(b[:i], got)
		b = b[i+1:]
	}
}

// onlyLF makes LF of CR and CRLF, in place.
func (s *scanner) onlyLF(b []byte) []byte {
	out := b[:0]
	for _, c := range b {
		switch {
		case c == '\r':
			out = append(out, '\n')
		case c != '\n' || !s.cr:
			out = append(out, c)
		}
		s.cr = c == '\r'
	}
	return out
}

func (s *scanner) line(line []byte, got func(m mark, marked bool)) {
	if len(line) == 0 {
		s.dispatch(got)
		return
	}
	if value, ok := bytes.CutPrefix(line, []byte("data:")); ok {
		s.data = true
		if !s.marked {
			s.mark, s.marked = findMark(bytes.TrimPrefix(value, []byte(" ")), s.magic)
		}
	} else if value, ok := bytes.CutPrefix(line, []byte("id:")); ok {
		if bytes.IndexByte(value, 0) < 0 {
			s.newID = append(s.newID[:0], bytes.TrimPrefix(value, []byte(" "))...)
			s.hasID = true
		}
	}
}

// dispatch ends an event. Its ID counts from now on, also if there was no data.
func (s *scanner) dispatch(got func(m mark, marked bool)) {
	if s.hasID {
		s.id, s.newID = s.newID, s.id
	}
	if s.data {
		got(s.mark, s.marked)
	}
	s.hasID, s.data, s.marked = false, false, false
}

// restart forgets what was under way: a new connection begins. The ID stays.
func (s *scanner) restart() {
	s.rest, s.cr = s.rest[:0], false
	s.hasID, s.data, s.marked = false, false, false
}
