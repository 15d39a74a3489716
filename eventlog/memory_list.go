package eventlog

import "context"

// Storage implements [Storer].
func (m *Memory) Storage() Storage {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return Storage{Durability: DurabilityMemory, Bytes: m.ret.Bytes, Free: -1}
}

// Topics implements [Lister].
func (m *Memory) Topics(ctx context.Context, q TopicQuery) (topics []TopicInfo, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	now := m.now()
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.closed:
		return nil, ErrClosed
	case m.gen == "":
		return nil, ErrNoGeneration
	}
	for t := range m.names.listed(q) {
		live := t.live.All()
		if len(live) == 0 || !q.Matcher.Match(t.name) {
			continue
		}
		if len(topics) == q.Limit {
			break
		}
		info := TopicInfo{
			Name: t.name, Events: int64(len(live)), Last: t.last, Time: live[len(live)-1].Time, Ended: !m.end(t.name, now).IsZero(), Rule: *t.rule,
		}
		if q.Sizes {
			info.Bytes = t.bytes
		}
		topics = append(topics, info)
	}
	return topics, nil
}
