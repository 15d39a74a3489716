package fanout

func (r *runner) heartbeat() {
	at := r.shard.at
	r.heartbeatAt.Store(&at)
	r.wrote = r.shard.wheel.now
	r.schedule()
	if r.reading() {
		go r.heartbeatBehind() // not in the shard, because it may block
	}
}

// reading reports whether the runner is reading the log. Until it has read, it sends nothing.
func (r *runner) reading() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stop != nil
}

// heartbeatBehind sends a heartbeat, after the messages before it, while the runner is reading the log.
func (r *runner) heartbeatBehind() {
	c := r.cursor
	select {
	case c.lock <- struct{}{}:
		defer func() { <-c.lock }()
	default: // it is writing, and needs no heartbeat
		return
	}
	if !r.reading() || Reason(r.leaving.Load()) == Gone {
		return
	}
	var b []byte
	for _, made := range append(r.takeMessages(), c.heartbeat()) {
		b = append(b, made.text...)
	}
	if err := r.write(b, 0); err != nil {
		r.disconnected()
		return
	}
	r.noteWrite()
}

// prepare moves the cursor of a live subscriber past events that do not match, and appends a heartbeat if one is due.
func (r *runner) prepare(b []byte) []byte {
	c := r.cursor
	if !r.awake {
		r.awake = true
		return b
	}
	due := r.heartbeatAt.Swap(nil) // read before pending: all wakes for events up to this position have come
	switch first := r.pending.Swap(0); {
	case first > 1:
		c.fellBehind(first - 1)
		c.skip(first - 2)
	case first == 1: // the runner searches the window from its position
		c.fellBehind(c.query.After.Seq + 1)
	case first == 0 && due != nil && due.Gen == c.query.After.Gen:
		c.skip(due.Seq)
		fallthrough
	default:
		c.fellBehind(0)
	}
	if due == nil {
		return b
	}
	c.chunks = c.chunks[:0]
	if c.group.heartbeat > 0 { // the subscriber wants to see each heartbeat
		c.sent = unsent
	}
	if c.appendCheckpoint(); len(c.chunks) == 0 {
		return append(b, c.group.control(Control{Kind: ControlHeartbeat}).text...)
	}
	return append(b, c.chunks[0].text...)
}
