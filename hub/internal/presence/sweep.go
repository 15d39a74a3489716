package presence

// visitSources lets the members of silent hubs leave, and drops members that were missing in the whole state of their hub.
func (t *Table) visitSources() {
	sweeps := t.takeSweeps()
	for _, s := range t.recount() {
		t.eachTopic(func(topic *Topic) {
			if topic.others[s].n > 0 {
				topic.touch()
			}
		})
	}
	for _, s := range sweeps {
		t.eachMember(func(topic *Topic, m *member) {
			t.depart(topic, m, func(k mark) bool { return k.source == s.source && k.epoch < s.epoch })
		})
		t.eachTopic(func(topic *Topic) {
			if n, ok := topic.others[s.source]; ok && n.epoch < s.epoch {
				topic.setStreams(s.source, 0)
			}
		})
	}
	t.forgetAll()
}

// takeSweeps returns the hubs of which members must be dropped, each with the first epoch whose members stay.
func (t *Table) takeSweeps() (sweeps []mark) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for instance, s := range t.sources {
		if t.now-s.heard >= silence {
			t.leaves(s, t.opts.Isolated+Grace)
		}
		switch {
		case s.leaves != 0 && t.graces >= s.leaves:
			delete(t.sources, instance)
			sweeps = append(sweeps, mark{s, s.epoch + 1})
		case s.sweep != 0 && !t.waiting:
			sweeps = append(sweeps, mark{s, s.sweep})
			s.sweep = 0
		}
	}
	t.swept = len(sweeps) > 0
	return sweeps
}

// recount decides of which hubs the streams count, and returns the hubs for which that has changed. The streams of a hub that has stopped or died
// have ended. The table keeps their number, because a silent hub may be alive: it counts again when the hub is heard.
func (t *Table) recount() (changed []*source) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.sources {
		if away := s.leaves != 0; away != s.away {
			s.away = away
			changed = append(changed, s)
		}
	}
	return changed
}
