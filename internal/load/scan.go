package load

import "bytes"

// scanner finds events in a stream that arrives in chunks of any size (WHATWG HTML, 9.2.6). It is cheaper than a
// decoder because it extracts only the mark and the ID of an event.
type scanner struct {
	magic []byte
	rest  []byte // the start of an unfinished line
	cr    bool   // the last byte was a CR, to which a following LF belongs

	id []byte // last event ID

	// The current event.
	newID  []byte
	hasID  bool
	data   bool
	marked bool
	mark   mark
}

// scan scans received bytes and calls got for each event that they complete. It modifies b.
func (s *scanner) scan(b []byte, got func(m mark, marked bool)) {
	if s.cr || bytes.IndexByte(b, '\r') >= 0 { // rare
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

// onlyLF replaces CR and CRLF by LF, in place.
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

// dispatch ends an event. Its ID takes effect even without data.
func (s *scanner) dispatch(got func(m mark, marked bool)) {
	if s.hasID {
		s.id, s.newID = s.newID, s.id
	}
	if s.data {
		got(s.mark, s.marked)
	}
	s.hasID, s.data, s.marked = false, false, false
}

// restart discards the unfinished event before a new connection. The last event ID stays.
func (s *scanner) restart() {
	s.rest, s.cr = s.rest[:0], false
	s.hasID, s.data, s.marked = false, false, false
}
