package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"text/tabwriter"

	"github.com/tidings-sse/tidings/internal/wire"
)

// topicsCmd is the command line of tidings topics.
type topicsCmd struct {
	Args []string `arg:"" optional:"" name:"pattern" help:"Only topics that match; * stands for one segment, ** at the end for any number. The hub's URL may come first."`

	hubFlags `embed:""`
	Topic    string `group:"Which hub" placeholder:"PATTERN" help:"The pattern, also one that looks like a URL."`

	Count  int    `short:"n" aliases:"limit" placeholder:"N" help:"List the first N topics; 0 for all. --limit is the same."`
	Format string `short:"f" enum:"auto,table,names,ndjson" default:"auto" placeholder:"FORMAT" help:"table, names or ndjson; by default a table on a terminal, else names."`

	pattern string
}

// Help is the manual.
func (*topicsCmd) Help() string {
	return `
Lists the topics of which a hub has events, by name: the number of events, the ID of the newest, and whether the topic has ended.

Examples:

    tidings topics
    tidings topics 'sensors/*/temperature' --format names
    tidings topics https://hub.example`
}

// topicLine is a topic in the answer of the hub.
type topicLine struct {
	Topic  string `json:"topic"`
	Events int64  `json:"events"`
	Last   string `json:"last"`
	Ended  bool   `json:"ended,omitempty"`
}

// Run lists the topics.
func (c *topicsCmd) Run(ctx context.Context, std stdio) error {
	if err := c.choose(); err != nil {
		return &exitError{exitUsage, err}
	}
	hub, err := c.connect("topics")
	if err != nil {
		return &exitError{exitUsage, err}
	}
	print, flush := c.printer(std.out)
	some := false
	for t, err := range pages[topicLine](ctx, hub, "api/v1/topics", "topics", url.Values{wire.ParamPattern: {c.pattern}}, c.Count) {
		if err == nil {
			some = true
			err = print(t)
		}
		if err != nil {
			return err
		}
	}
	if !some {
		_, _ = fmt.Fprintln(std.err, "tidings topics: "+visible(c.noneText()))
	}
	return flush()
}

// choose decides which topics to list.
func (c *topicsCmd) choose() error {
	named, rest, err := c.take(c.Args)
	if err != nil {
		return err
	}
	if err := checkTopics(rest...); err != nil {
		return err
	}
	patterns := append(named, rest...)
	if c.Topic != "" {
		patterns = append(patterns, c.Topic)
	}
	switch {
	case len(patterns) > 1:
		return fmt.Errorf("give one pattern, not %d\nhint: quote the pattern, because the shell expands * to names of files", len(patterns))
	case c.Count < 0:
		return errors.New("--count: the number of topics cannot be negative")
	}
	c.pattern = "**"
	if len(patterns) == 1 {
		c.pattern = patterns[0]
	}
	return nil
}

// noneText is the message for an empty list.
func (c *topicsCmd) noneText() string {
	text := "there are no topics"
	if c.pattern != "**" {
		text = "no topic matches " + c.pattern
	}
	if c.Token == "" {
		text += ", or none that you may subscribe to without a token (--token)"
	}
	return text
}

// printer returns a function that prints a topic, and a function to call after the last one.
func (c *topicsCmd) printer(out io.Writer) (print func(topicLine) error, flush func() error) {
	format := c.Format
	if format == "auto" {
		if format = "names"; isTerminal(out) {
			format = "table"
		}
	}
	none := func() error { return nil }
	if isTerminal(out) {
		out = visibleWriter{out}
	}
	switch format {
	case "ndjson":
		enc := json.NewEncoder(out)
		enc.SetEscapeHTML(false)
		return func(t topicLine) error { return enc.Encode(t) }, none
	case "names":
		return func(t topicLine) error { _, err := fmt.Fprintln(out, t.Topic); return err }, none
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	begun := false
	return func(t topicLine) error {
		if !begun {
			begun = true
			_, _ = fmt.Fprint(w, "EVENTS\tLAST\tTOPIC\n") // in memory
		}
		ended := ""
		if t.Ended {
			ended = " (ended)"
		}
		_, err := fmt.Fprintf(w, "%d\t%s\t%s%s\n", t.Events, t.Last, visible(t.Topic), ended)
		return err
	}, w.Flush
}
