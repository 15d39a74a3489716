package presence

// A subject that has left one hub may have come to another one. So nobody leaves while this hub lacks news of a hub that is alive: while messages
// are missing, or while that hub has more changes than the channel takes. For so long a hub that has just begun to serve is settling, too.

// patience is for how many ticks a hub waits for the news of another one. A million members come in two minutes.
const patience = 300

// lacking reports whether members of a hub that is alive may be missing here. A message is missing, or the hub has not told all changes yet.
func (s *source) lacking() bool {
	return s.leaves == 0 && (s.behind || s.more || s.claimed > s.number)
}

// incomplete reports whether a hub that is alive may have members that are missing here. It is false for a hub whose news are incomplete for
// longer than patience.
func (t *Table) incomplete() bool {
	for _, s := range t.sources {
		if s.lacking() && s.lacks <= patience {
			return true
		}
	}
	return false
}

// await counts for how long the news of each hub are incomplete.
func (t *Table) await() {
	for _, s := range t.sources {
		if s.lacking() {
			s.lacks++
		} else {
			s.lacks = 0
		}
	}
	t.waiting = t.incomplete()
}

// departLater lets a member leave with the next sweep of the source. The member may be at a hub of which news are missing.
func (t *Table) departLater(s *source, m *member) {
	if i := m.at(s); i >= 0 {
		m.others[i].epoch = 0
		s.sweep = max(s.sweep, 1)
	}
}
