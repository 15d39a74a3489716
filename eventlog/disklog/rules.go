package disklog

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/tidings-sse/tidings/eventlog"
)

// storedRules is the value of metaRetention: a retention with its defaults.
type storedRules struct {
	Rules  []storedRule  `json:"rules"`
	Bytes  int64         `json:"bytes"`
	Events int64         `json:"events"`
	Topics int           `json:"topics"`
	KeyAge time.Duration `json:"keyAge"`
	Keys   int           `json:"keys"`
}

// storedRule is a rule of storedRules. The last one, which matches all topics, has no pattern.
type storedRule struct {
	Pattern string        `json:"pattern,omitempty"`
	Age     time.Duration `json:"age,omitempty"`
	Count   int           `json:"count,omitempty"`
	Latest  int           `json:"latest,omitempty"`
}

func encodeRules(r *eventlog.Retention) ([]byte, error) {
	s := storedRules{Bytes: r.Bytes, Events: r.Events, Topics: r.Topics, KeyAge: r.KeyAge, Keys: r.Keys}
	for _, rule := range r.Rules {
		s.Rules = append(s.Rules, storedRule{rule.Pattern.String(), rule.Age, rule.Count, rule.Latest})
	}
	return json.Marshal(s)
}

func decodeRules(text []byte) (*eventlog.Retention, error) {
	var s storedRules
	if err := json.Unmarshal(text, &s); err != nil || len(s.Rules) == 0 {
		return nil, corrupt("retention", "its value is invalid")
	}
	r := &eventlog.Retention{Bytes: s.Bytes, Events: s.Events, Topics: s.Topics, KeyAge: s.KeyAge, Keys: s.Keys}
	for i, rule := range s.Rules {
		kept := eventlog.Rule{Age: rule.Age, Count: rule.Count, Latest: rule.Latest}
		if i < len(s.Rules)-1 {
			var err error
			if kept.Pattern, err = eventlog.ParsePattern(rule.Pattern); err != nil {
				return nil, corrupt("retention", err.Error())
			}
		}
		r.Rules = append(r.Rules, kept)
	}
	return r, nil
}

// loadRetention replaces the rules that the log was opened with by those of the last SetRetention.
func (s *store) loadRetention() error {
	text, err := s.get([]byte(metaRetention))
	if err != nil || text == nil {
		return err
	}
	r, err := decodeRules(text)
	if err == nil {
		s.rules.Store(r)
	}
	return err
}

// SetRetention implements eventlog.Mirror. The rules are on disk when it returns. Old records are trimmed in the background.
func (l *Log) SetRetention(ctx context.Context, r *eventlog.Retention) error {
	if !l.opts.Mirror {
		return errors.Join(l.closedError(), eventlog.ErrNotMirror)
	}
	rules, err := r.WithDefaults()
	if err != nil {
		return err
	}
	text, err := encodeRules(&rules)
	if err != nil {
		return err
	}
	select { // the trimmer must not see the rules change within a pass
	case l.trim.pass <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer l.trim.hurry()
	defer func() { <-l.trim.pass }()
	return typed(l.inTurn(context.WithoutCancel(ctx), func() error { return l.setRetention(&rules, text) }))
}

// setRetention is the part of SetRetention that the committer runs. It first forgets the keys and ends that have expired
// under the old rules.
func (l *Log) setRetention(rules *eventlog.Retention, text []byte) error {
	ctx := context.Background() // not canceled: a change that has begun is finished
	if err := errors.Join(l.forgetKeys(ctx, 0, 0), l.forgetEnds(ctx, 0)); err != nil {
		return err
	}
	s, err := l.writable()
	if err != nil {
		return err
	}
	defer s.release()
	l.turn.Lock()
	defer l.turn.Unlock()
	if err := s.apply(func(b *pebble.Batch) error { return b.Set([]byte(metaRetention), text, nil) }); err != nil {
		return err
	}
	if failed := s.db.Err(); failed != nil {
		return broken(failed)
	}
	s.rules.Store(rules)
	s.topics.init() // cached topics refer to the old rules
	clear(s.examined)
	clear(s.ended)
	s.swept = false
	return nil
}
