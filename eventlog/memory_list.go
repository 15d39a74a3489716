package eventlog

import "context"

// Topics implements [Lister].
func (m *Memory) Topics(ctx context.Context, which Matcher, after string, limit int) (topics []TopicInfo, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	now := m.clock().UnixMilli()
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.closed:
		return nil, ErrClosed
	case m.gen == "":
		return nil, ErrNoGeneration
	}
	for t := range m.names.with(which.Prefix()) {
		live := t.live.All()
		if t.name <= after || len(live) == 0 || !which.Match(t.name) {
			continue
		}
		if len(topics) == limit {
			break
		}
		topics = append(topics, TopicInfo{t.name, int64(len(live)), t.last, !m.end(t.name, now).IsZero()})
	}
	return topics, nil
}
