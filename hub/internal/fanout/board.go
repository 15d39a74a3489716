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

// watcher is a subscriber that watches boards.
type watcher struct {
	sub     *subscriber
	watches []*watch
	owed    []*watch // the subscriber gets their whole state when it is live
	waits   bool     // it is in shard.owing
}

// watch is a board that a subscriber watches.
type watch struct {
	by      *watcher
	board   Board
	place   int    // index in shard.boards
	version uint64 // of the newest message that the subscriber has
	owed    bool   // it is in watcher.owed
}

// mostWaiting is the number of bytes up to which messages wait for the next turn of a runner.
const mostWaiting = 64 << 10

// watchBoards begins to watch the boards of a subscriber.
func (s *shard) watchBoards(sub *subscriber) {
	boards := sub.client.Boards()
	if len(boards) == 0 || sub.stage == closed {
		return
	}
	if s.boards == nil {
		s.boards, s.watchers = make(map[Board][]*watch), make(map[*subscriber]*watcher)
	}
	by := &watcher{sub: sub}
	s.watchers[sub] = by
	for _, b := range boards {
		w := &watch{by: by, board: b, place: len(s.boards[b])}
		s.boards[b] = append(s.boards[b], w)
		by.watches = append(by.watches, w)
		by.owe(w)
	}
	s.pay(by)
}

func (s *shard) unwatchBoards(sub *subscriber) {
	by := s.watchers[sub]
	if by == nil {
		return
	}
	for _, w := range by.watches {
		all := s.boards[w.board]
		last := len(all) - 1
		all[w.place] = all[last]
		all[w.place].place = w.place
		all[last] = nil
		if s.boards[w.board] = all[:last]; last == 0 {
			delete(s.boards, w.board)
		}
	}
	delete(s.watchers, sub)
}

func (by *watcher) owe(w *watch) {
	if !w.owed {
		w.owed = true
		by.owed = append(by.owed, w)
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
		case !w.by.sub.accepts():
			w.by.owe(w)
			s.awaitTurn(w.by)
		default:
			w.version = version
			s.sendNotice(w.by.sub, data)
		}
	}
}

// pay sends a subscriber the states that it is owed, as far as it accepts them now.
func (s *shard) pay(by *watcher) {
	paid := 0
	for ; paid < len(by.owed) && by.sub.accepts(); paid++ {
		w := by.owed[paid]
		w.owed = false
		var data string
		data, w.version = w.board.State()
		s.sendNotice(by.sub, data)
	}
	by.owed = by.owed[paid:]
	if len(by.owed) == 0 {
		by.owed = nil
		return
	}
	s.awaitTurn(by)
}

// awaitTurn makes the shard pay a runner in the next tick, when it may have had a turn. A direct subscriber is paid after join instead.
func (s *shard) awaitTurn(by *watcher) {
	if by.sub.stage == live && !by.sub.isDirect() {
		s.payLater(by)
	}
}

// payJoined makes the shard pay a subscriber that has become live, after what it does now.
func (s *shard) payJoined(sub *subscriber) {
	if by := s.watchers[sub]; by != nil && len(by.owed) > 0 {
		s.payLater(by)
	}
}

func (s *shard) payLater(by *watcher) {
	if !by.waits {
		by.waits = true
		s.owing = append(s.owing, by)
	}
}

// payOwing pays the subscribers that wait for it. It is called in each tick of the wheel. Subscribers that are not live do not wait here, so
// that slow ones cost nothing.
func (s *shard) payOwing() {
	owing := s.owing
	s.owing = nil
	for _, by := range owing {
		if by.waits = false; by.sub.stage != closed {
			s.pay(by)
		}
	}
}

func (s *shard) sendNotice(sub *subscriber, data string) {
	if c := sub.group.control(Control{Kind: ControlNotice, Notice: data}); c.text != "" {
		s.f.count.notices.Add(1)
		c.aside = true
		sub.via.send(c)
	}
}

// accepts reports whether a message would leave at once, or with the next turn of a runner.
func (sub *subscriber) accepts() bool {
	if sub.stage != live {
		return false
	}
	r, isRunner := sub.via.(*runner)
	return !isRunner || r.waiting() < mostWaiting
}

// waiting returns the bytes of the messages that are to be sent.
func (r *runner) waiting() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.messages {
		n += len(r.messages[i].text)
	}
	return n
}
