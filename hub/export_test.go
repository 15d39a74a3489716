package hub

// Subscribers returns how many streams are open.
func (h *Hub) Subscribers() int {
	h.interest.mu.Lock()
	defer h.interest.mu.Unlock()
	return len(h.interest.all)
}

// Wanted returns how many topics and patterns somebody wants.
func (h *Hub) Wanted() int {
	h.interest.mu.Lock()
	defer h.interest.mu.Unlock()
	n := len(h.interest.topics)
	if !h.interest.tree.bare() {
		n++
	}
	return n
}
