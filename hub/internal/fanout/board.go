package fanout

// A board is something that streams can watch besides their events: a state, such as who is present at a topic. It is not in the log. Its
// messages have no position and do not move a cursor.
//
// Only live subscribers get messages. One that is behind, or whose connection is full, misses them, and gets the whole state when it is live
// again. So a board needs no queue for slow watchers.

// Board is a state that streams watch. Boards are comparable.
type Board interface {
	// State returns the whole state as the data of a [ControlNotice], and the version of the newest message that it includes. Shards call it;
	// it must not block.
	State() (data string, version uint64)
}

// Post sends a message about a board to the streams that watch it. Messages of a board have rising versions, and the caller posts them in
// this order.
func (f *Fanout) Post(b Board, version uint64, data string) {
	for _, s := range f.shards {
		s.post(func() { s.notify(b, version, data) })
	}
}

// watch is a subscriber that watches a board.
type watch struct {
	sub     *subscriber
	board   Board
	place   int    // index in shard.boards
	version uint64 // of the newest message that the subscriber has
	owed    bool   // it is in shard.owed: it gets the whole state when it is live
}

// watchBoards begins to watch the boards of a subscriber.
func (s *shard) watchBoards(sub *subscriber) {
	boards := sub.client.Boards()
	if len(boards) == 0 || sub.stage == closed {
		return
	}
	if s.boards == nil {
		s.boards, s.watches = make(map[Board][]*watch), make(map[*subscriber][]*watch)
	}
	for _, b := range boards {
		w := &watch{sub: sub, board: b, place: len(s.boards[b])}
		s.boards[b] = append(s.boards[b], w)
		s.watches[sub] = append(s.watches[sub], w)
		s.owe(w)
	}
	s.payOwed()
}

// unwatchBoards is the opposite of watchBoards. A watch that is owed leaves shard.owed later.
func (s *shard) unwatchBoards(sub *subscriber) {
	for _, w := range s.watches[sub] {
		all := s.boards[w.board]
		last := len(all) - 1
		all[w.place] = all[last]
		all[w.place].place = w.place
		all[last] = nil
		if s.boards[w.board] = all[:last]; last == 0 {
			delete(s.boards, w.board)
		}
	}
	delete(s.watches, sub)
}

func (s *shard) owe(w *watch) {
	if !w.owed {
		w.owed = true
		s.owed = append(s.owed, w)
	}
}

// notify sends a message to the watchers of a board. It goes through them from the end, because a send may close a subscriber, which moves the
// last one to its place.
func (s *shard) notify(b Board, version uint64, data string) {
	for i := len(s.boards[b]) - 1; i >= 0; i-- {
		if i >= len(s.boards[b]) { // a send has closed more than one
			continue
		}
		switch w := s.boards[b][i]; {
		case w.owed || w.version >= version:
		case !w.sub.accepts():
			s.owe(w)
		default:
			w.version = version
			s.sendNotice(w.sub, data)
		}
	}
}

// payOwed sends the whole state to the watchers that are owed it and are live now.
func (s *shard) payOwed() {
	owed := s.owed
	s.owed = nil
	for _, w := range owed {
		w.owed = false
		switch {
		case w.sub.stage == closed:
		case !w.sub.accepts():
			s.owe(w)
		default:
			var data string
			data, w.version = w.board.State()
			s.sendNotice(w.sub, data)
		}
	}
}

func (s *shard) sendNotice(sub *subscriber, data string) {
	if c := sub.group.control(Control{Kind: ControlNotice, Notice: data}); c.text != "" {
		s.f.count.notices.Add(1)
		sub.via.send(c)
	}
}

// accepts reports whether a message would leave at once, or with the next turn of a runner.
func (sub *subscriber) accepts() bool {
	if sub.stage != live {
		return false
	}
	r, isRunner := sub.via.(*runner)
	return !isRunner || !r.hasMessages()
}

func (r *runner) hasMessages() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.messages) > 0
}
