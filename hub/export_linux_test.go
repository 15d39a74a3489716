package hub

// Stalled returns how many direct subscribers take no more at the moment.
func (h *Hub) Stalled() (n int) {
	for _, s := range h.shards {
		s.await(func() {
			for _, slot := range s.poller.slots {
				if slot.sub != nil && slot.sub.stage == stalled {
					n++
				}
			}
		})
	}
	return n
}

// Passes returns how many passes the shards have made.
func (h *Hub) Passes() (n uint64) {
	for _, s := range h.shards {
		s.await(func() { n += s.pass })
	}
	return n
}
