package cluster

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// format is the version of the rules by which hubs decide on messages. Hubs with another version do not join.
const format = 1

// Settings are the options that must be equal on all hubs of a cluster, because their decisions depend on them. The first hub writes
// its own into the shared log, and the others compare. [Log.SetRetention] changes them for all hubs at one position in the log.
type Settings struct {
	Format int    `json:"format"`
	Rules  []Rule `json:"rules"`
	Bytes  int64  `json:"bytes"`  // negative: no limit
	Events int64  `json:"events"` // negative: no limit
	Topics int    `json:"topics"` // negative: none
	KeyAge string `json:"keyAge"`
	Keys   int    `json:"keys"`
}

// Rule is an [eventlog.Rule] as text.
type Rule struct {
	Pattern string `json:"pattern"`
	Age     string `json:"age,omitzero"`
	Count   int    `json:"count,omitzero"`
	Latest  int    `json:"latest,omitzero"`
}

// SettingsError is returned when the settings of a hub are not those of its cluster.
type SettingsError struct {
	Hub, Cluster *Settings
}

func (e *SettingsError) Error() string {
	return fmt.Sprintf("cluster: this hub has other settings than its cluster: here %q, there %q; start it with those of the cluster, "+
		"or change them for all hubs", cmp.Or(e.Hub.without(e.Cluster), "nothing"), cmp.Or(e.Cluster.without(e.Hub), "nothing"))
}

// settingsOf returns the settings for a retention.
func settingsOf(r *eventlog.Retention) (*Settings, error) {
	d, err := r.WithDefaults()
	if err != nil {
		return nil, err
	}
	s := &Settings{Format: format, Bytes: orNone(d.Bytes), Events: orNone(d.Events), Topics: int(orNone(int64(d.Topics))), KeyAge: d.KeyAge.String(), Keys: d.Keys, Rules: []Rule{}}
	for _, rule := range d.Rules[:len(d.Rules)-1] { // the last one is the default
		text := Rule{Pattern: rule.Pattern.String(), Count: rule.Count, Latest: rule.Latest}
		if rule.Age > 0 {
			text.Age = rule.Age.String()
		}
		s.Rules = append(s.Rules, text)
	}
	return s, nil
}

// orNone returns n, or -1 instead of 0: in a retention, 0 means the default.
func orNone(n int64) int64 {
	if n == 0 {
		return -1
	}
	return n
}

// retention returns the retention for the settings.
func (s *Settings) retention() (*eventlog.Retention, error) {
	if s.Format > format {
		return nil, errNewer
	}
	r := &eventlog.Retention{Bytes: s.Bytes, Events: s.Events, Topics: s.Topics, Keys: s.Keys}
	var err error
	if r.KeyAge, err = time.ParseDuration(s.KeyAge); err != nil {
		return nil, err
	}
	for _, text := range s.Rules {
		rule := eventlog.Rule{Count: text.Count, Latest: text.Latest}
		if rule.Pattern, err = eventlog.ParsePattern(text.Pattern); err != nil {
			return nil, err
		}
		if text.Age != "" {
			if rule.Age, err = time.ParseDuration(text.Age); err != nil {
				return nil, err
			}
		}
		r.Rules = append(r.Rules, rule)
	}
	_, err = r.WithDefaults()
	return r, err
}

// String returns the settings for people, on one line.
func (s *Settings) String() string { return strings.Join(s.lines(), "; ") }

// lines returns the settings as lines that people can compare.
func (s *Settings) lines() []string {
	lines := []string{fmt.Sprintf("format %d", s.Format)}
	for i, rule := range s.Rules {
		line := fmt.Sprintf("rule %d: %s", i+1, rule.Pattern)
		if rule.Age != "" {
			line += " age " + rule.Age
		}
		if rule.Count > 0 {
			line += fmt.Sprintf(" count %d", rule.Count)
		}
		if rule.Latest > 0 {
			line += fmt.Sprintf(" latest %d", rule.Latest)
		}
		lines = append(lines, line)
	}
	return append(lines, fmt.Sprintf("bytes kept %d", s.Bytes), fmt.Sprintf("events kept %d", s.Events), fmt.Sprintf("topics remembered %d", s.Topics),
		"keys remembered for "+s.KeyAge, fmt.Sprintf("keys remembered %d", s.Keys))
}

// differ returns a *SettingsError if the settings of a hub differ from those of its cluster.
func differ(hub, inForce *Settings) error {
	if hub.equal(inForce) {
		return nil
	}
	return &SettingsError{Hub: hub, Cluster: inForce}
}

// without returns the lines that other does not have.
func (s *Settings) without(other *Settings) string {
	theirs := other.lines()
	return strings.Join(slices.DeleteFunc(s.lines(), func(line string) bool { return slices.Contains(theirs, line) }), "; ")
}

// inForce reads from a mirror the newest records of [Topic]: the beginning of the generation and the settings; nil if there are none.
func inForce(ctx context.Context, m eventlog.Mirror) (begin *Begin, settings *Settings, err error) {
	if m.Head().Gen == "" {
		return nil, nil, nil
	}
	q, err := m.Seek(ctx, eventlog.Topics(Topic), eventlog.Start{Last: 1000})
	if err != nil {
		return nil, nil, err
	}
	for head := m.Head(); q.After.Seq < head.Seq; {
		a, err := m.Read(ctx, q)
		if gap, ok := errors.AsType[*eventlog.GapError](err); ok {
			q = gap.Partial(q)
			continue
		} else if err != nil {
			return nil, nil, err
		}
		for i := range a.Records {
			switch r := &a.Records[i]; r.Type {
			case BeginType:
				begin = new(Begin)
				err = json.Unmarshal([]byte(r.Data), begin)
			case SettingsType:
				settings = new(Settings)
				err = json.Unmarshal([]byte(r.Data), settings)
			}
			if err != nil {
				return nil, nil, fmt.Errorf("cluster: record %d of %s: %w", a.Records[i].Seq, Topic, err)
			}
		}
		q.After = a.Complete
	}
	return begin, settings, nil
}

// equal reports whether two settings are the same.
func (s *Settings) equal(other *Settings) bool { return slices.Equal(s.lines(), other.lines()) }
