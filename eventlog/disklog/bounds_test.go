package disklog_test

import (
	"log/slog"
	"math"
	"path/filepath"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
)

// TestOptionsWorkAtTheirLimits: with each option at its limits, the log opens, stores a record, and has it after it is opened again.
func TestOptionsWorkAtTheirLimits(t *testing.T) {
	const longest = time.Duration(math.MaxInt64)
	everything := eventlog.MustPattern("**")
	for name, o := range map[string]disklog.Options{
		"the shortest interval":  {Sync: disklog.SyncInterval, Interval: 1},
		"the longest interval":   {Sync: disklog.SyncInterval, Interval: longest},
		"the smallest cache":     {Cache: 1},
		"a large cache":          {Cache: 1 << 40},
		"no reserve":             {Reserve: -1},
		"the smallest reserve":   {Reserve: 1},
		"the largest bytes":      {Retention: &eventlog.Retention{Bytes: math.MaxInt64}},
		"no bound of bytes":      {Retention: &eventlog.Retention{Bytes: math.MinInt64}},
		"the largest events":     {Retention: &eventlog.Retention{Events: math.MaxInt64}},
		"one event":              {Retention: &eventlog.Retention{Events: 1}},
		"the most topics":        {Retention: &eventlog.Retention{Topics: math.MaxInt64}},
		"no topics":              {Retention: &eventlog.Retention{Topics: -1}},
		"the longest key age":    {Retention: &eventlog.Retention{KeyAge: longest}},
		"the shortest key age":   {Retention: &eventlog.Retention{KeyAge: 1}},
		"the most keys":          {Retention: &eventlog.Retention{Keys: math.MaxInt64}},
		"one key":                {Retention: &eventlog.Retention{Keys: 1}},
		"the longest age":        {Retention: &eventlog.Retention{Rules: []eventlog.Rule{{Pattern: everything, Age: longest}}}},
		"the largest count":      {Retention: &eventlog.Retention{Rules: []eventlog.Rule{{Pattern: everything, Count: math.MaxInt64}}}},
		"the largest latest":     {Retention: &eventlog.Retention{Rules: []eventlog.Rule{{Pattern: everything, Latest: math.MaxInt64}}}},
		"count and latest of 1":  {Retention: &eventlog.Retention{Rules: []eventlog.Rule{{Pattern: everything, Count: 1}, {Pattern: everything, Latest: 1}}}},
		"a rule without a limit": {Retention: &eventlog.Retention{Rules: []eventlog.Rule{{Pattern: everything}}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o.Logger = slog.New(slog.DiscardHandler)
			dir := filepath.Join(t.TempDir(), "log")
			var gen string
			for round := range 2 {
				log, err := disklog.Open(dir, &o)
				if err != nil {
					t.Fatal(err)
				}
				if round == 0 {
					gen = log.Head().Gen
					if _, err := log.Append(t.Context(), []eventlog.Record{{Topics: []string{"a"}, Data: "x", Key: "k"}}); err != nil {
						t.Fatal(err)
					}
				}
				answer, err := log.Read(t.Context(), eventlog.Query{Selector: eventlog.Topics("a"), After: eventlog.Position{Gen: gen}})
				if err != nil || len(answer.Records) != 1 || answer.Records[0].Data != "x" {
					t.Errorf("round %d: it has %+v, %v", round, answer.Records, err)
				}
				if err := log.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
