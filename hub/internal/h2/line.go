package h2

// line is the streams of a connection that wait to send, in the order in which they began to wait. A stream keeps its place until Send takes a byte,
// even if others have taken the room before it was there. So the streams of a connection that is always full take turns. The mutex of the connection
// guards it.
type line struct{ first, last *Stream }

// place is a stream's place in the line.
type place struct {
	before, after *Stream
	queued        bool // the stream is in the line
}

// join adds a stream at the end, unless it has a place.
func (l *line) join(st *Stream) {
	if st.place.queued {
		return
	}
	st.place = place{before: l.last, queued: true}
	if l.last == nil {
		l.first = st
	} else {
		l.last.place.after = st
	}
	l.last = st
}

// leave removes a stream, if it has a place.
func (l *line) leave(st *Stream) {
	p := st.place
	if !p.queued {
		return
	}
	st.place = place{}
	if p.before == nil {
		l.first = p.after
	} else {
		p.before.place.after = p.after
	}
	if p.after == nil {
		l.last = p.before
	} else {
		p.after.place.before = p.before
	}
}

// unblock tells the owners of the streams that can send. Those that have waited longest come first.
func (l *line) unblock() {
	for st := l.first; st != nil; st = st.place.after {
		st.unblock()
	}
}
