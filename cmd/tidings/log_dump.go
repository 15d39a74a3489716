package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
	"github.com/tidings-sse/tidings/internal/wire"
)

type logDumpCmd struct {
	logDir
	Topic []string `sep:"none" placeholder:"TOPIC" help:"Only this topic, or the topics that this pattern matches. Can be repeated."`
	Exact []string `sep:"none" placeholder:"TOPIC" help:"Only this topic, in which * has no meaning. Can be repeated."`
	After string   `xor:"start" placeholder:"POSITION" help:"Start after this position, such as k3f9a-10482."`
	Since string   `xor:"start" placeholder:"TIME" help:"Start at this time, such as 2026-11-22T10:00:00Z, or this long ago, such as 10m."`
	Last  int      `xor:"start" placeholder:"N" help:"Only the last N records."`

	Canonical bool `help:"Also print the holes of the log, and all stored fields of each record. Mirrors of one shared log print the same."`
}

// Run prints the records.
func (c *logDumpCmd) Run(ctx context.Context, io stdio) error {
	sel, err := c.selector()
	if err == nil && (c.Last < 0 || c.Last > eventlog.MaxLast) {
		err = fmt.Errorf("--last: %d is not a number from 0 to %d; 0 means all", c.Last, eventlog.MaxLast)
	}
	if err != nil {
		return &exitError{exitUsage, fmt.Errorf("%w\nhint: tidings log dump --help", err)}
	}
	return c.inspect(func(i *disklog.Inspector) error {
		q, err := c.start(ctx, i, sel)
		if err != nil {
			return err
		}
		out := bufio.NewWriter(io.out)
		enc := json.NewEncoder(out)
		enc.SetEscapeHTML(false)
		form := func(r *eventlog.Record) any { return newDumped(i.Head().Gen, r) }
		if c.Canonical {
			if err := dumpHoles(ctx, i, enc); err != nil {
				return err
			}
			form = func(r *eventlog.Record) any { return newCanonical(i.Head().Gen, r) }
		}
		for r, err := range i.Dump(ctx, q) {
			if err == nil {
				err = enc.Encode(form(&r))
			}
			if ctx.Err() != nil {
				break // Ctrl-C ends the output
			}
			if err != nil {
				_ = out.Flush() // err is more important than its error
				return err
			}
		}
		return out.Flush()
	})
}

func (c *logDumpCmd) selector() (eventlog.Selector, error) {
	var matchers []eventlog.Matcher
	for _, text := range c.Topic {
		p, err := eventlog.ParsePattern(text)
		if err != nil {
			return eventlog.Selector{}, fmt.Errorf("--topic: %w", err)
		}
		matchers = append(matchers, p)
	}
	if len(matchers)+len(c.Exact) == 0 {
		return eventlog.Everything(), nil
	}
	return eventlog.Select(c.Exact, matchers...), nil
}

// start returns the query for the flags.
func (c *logDumpCmd) start(ctx context.Context, i *disklog.Inspector, sel eventlog.Selector) (eventlog.Query, error) {
	if c.After == "" {
		from := eventlog.Start{Last: c.Last}
		if c.Since != "" {
			t, err := parseSince(c.Since)
			if err != nil {
				return eventlog.Query{}, &exitError{exitUsage, err}
			}
			from.Since = t
		}
		return i.Seek(ctx, sel, from)
	}
	p, err := eventlog.ParsePosition(c.After)
	if err == nil && p.Gen != i.Head().Gen {
		err = fmt.Errorf("%v is a position of another generation; this log is at %v", p, i.Head())
	}
	if err != nil {
		return eventlog.Query{}, &exitError{exitUsage, fmt.Errorf("--after: %w", err)}
	}
	return eventlog.Query{Selector: sel, After: p}, nil
}

func parseSince(text string) (time.Time, error) {
	if d, err := time.ParseDuration(text); err == nil {
		return time.Now().Add(-d), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, fmt.Errorf("--since: %q is neither a time such as 2026-11-22T10:00:00Z nor a duration such as 10m", text)
	}
	return t, nil
}

// dumped is a record as JSON: the hub's envelope, and the other fields of the record.
type dumped struct {
	ID          string   `json:"id"`
	Topic       string   `json:"topic"`
	Topics      []string `json:"topics"`
	Type        string   `json:"type"`
	Time        string   `json:"time"`
	Data        string   `json:"data"`
	Encoding    string   `json:"encoding"`
	ContentType string   `json:"contentType,omitempty"`
	Key         string   `json:"key,omitempty"`
	PublisherID string   `json:"publisherId,omitempty"`
	Retry       int64    `json:"retry,omitempty"` // milliseconds
	End         bool     `json:"end,omitempty"`
	Private     bool     `json:"private,omitempty"`
}

func newDumped(gen string, r *eventlog.Record) dumped {
	d := dumped{
		ID: eventlog.Position{Gen: gen, Seq: r.Seq}.String(), Topic: r.Topics[0], Topics: r.Topics, Type: cmp.Or(r.Type, wire.DefaultType),
		Time:        r.Time.Format("2006-01-02T15:04:05.000Z07:00"),
		ContentType: r.ContentType, Key: r.Key, PublisherID: r.ID, Retry: r.Retry.Milliseconds(),
		End: r.Flags&eventlog.End != 0, Private: r.Flags&eventlog.Private != 0,
	}
	d.Data, d.Encoding = wire.Encode(r.Data, r.Flags&eventlog.Binary != 0)
	return d
}

// canonical is a record with all of its stored fields.
type canonical struct {
	dumped
	Flags   uint64 `json:"flags,omitempty"`
	Unknown []byte `json:"unknown,omitempty"`
}

func newCanonical(gen string, r *eventlog.Record) canonical {
	return canonical{newDumped(gen, r), uint64(r.Flags), []byte(r.Unknown)}
}

// dumpHoles prints a line for each hole, in order.
func dumpHoles(ctx context.Context, i *disklog.Inspector, enc *json.Encoder) error {
	s, err := i.Stats(ctx)
	if err != nil {
		return err
	}
	type hole struct {
		From   string          `json:"from"`
		To     string          `json:"to"`
		Reason eventlog.Reason `json:"reason"`
	}
	for _, h := range s.Holes {
		from, to := eventlog.Position{Gen: s.Head.Gen, Seq: h.From}, eventlog.Position{Gen: s.Head.Gen, Seq: h.To}
		if err := enc.Encode(map[string]hole{"hole": {from.String(), to.String(), h.Reason}}); err != nil {
			return err
		}
	}
	return nil
}
