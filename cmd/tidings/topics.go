package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"text/tabwriter"

	"github.com/tidings-sse/tidings/sse"
)

// topicsCmd is the command line of tidings topics.
type topicsCmd struct {
	Pattern string `arg:"" optional:"" default:"**" help:"Only topics that match; * stands for one segment, ** at the end for any number."`

	hubFlags `embed:""`

	Limit  int    `short:"n" placeholder:"N" help:"The first N; 0 for all."`
	Format string `short:"f" enum:"auto,table,names,ndjson" default:"auto" placeholder:"FORMAT" help:"table, names or ndjson; a table on a terminal and names elsewhere if not given."`
}

// Help is the manual.
func (*topicsCmd) Help() string {
	return `
Lists the topics of which a hub has events, in the order of their names: how many events there are, the ID of the newest, and whether the
topic has ended.

Examples:

    tidings topics
    tidings topics 'sensors/*/temperature' --format names
    tidings topics --hub https://hub.example`
}

// topicLine is a topic as the hub tells of it.
type topicLine struct {
	Topic  string `json:"topic"`
	Events int64  `json:"events"`
	Last   string `json:"last"`
	Ended  bool   `json:"ended,omitempty"`
}

// Run lists them, a page at a time.
func (c *topicsCmd) Run(ctx context.Context, std stdio) error {
	base, err := c.base()
	if err != nil {
		return &exitError{exitUsage, err}
	}
	if c.Limit < 0 {
		return &exitError{exitUsage, fmt.Errorf("--limit: the number of topics cannot be negative")}
	}
	print, flush := c.printer(std.out)
	left, some := c.Limit, false
	for after := ""; ; {
		page, err := c.page(ctx, base, after, left)
		if err != nil {
			return err
		}
		for _, t := range page.Topics {
			if err := print(t); err != nil {
				return err
			}
		}
		left -= len(page.Topics)
		some = some || len(page.Topics) > 0
		if after = page.Next; after == "" || c.Limit > 0 && left <= 0 {
			if !some {
				_, _ = fmt.Fprintln(std.err, "tidings topics: "+visible(c.noneText()))
			}
			return flush()
		}
	}
}

// noneText says that there is nothing to list.
func (c *topicsCmd) noneText() string {
	text := "there are no topics"
	if c.Pattern != "**" {
		text = "no topic matches " + c.Pattern
	}
	if c.Token == "" {
		text += ", or none that may be followed without a token (--token)"
	}
	return text
}

type topicsAnswer struct {
	Topics []topicLine `json:"topics"`
	Next   string      `json:"next"`
}

// page asks for the topics after one.
func (c *topicsCmd) page(ctx context.Context, base *url.URL, after string, left int) (page topicsAnswer, err error) {
	const most = 1000
	query := url.Values{"pattern": {c.Pattern}, "limit": {strconv.Itoa(most)}}
	if c.Limit > 0 && left < most {
		query.Set("limit", strconv.Itoa(left))
	}
	if after != "" {
		query.Set("after", after)
	}
	u := base.JoinPath("api/v1/topics")
	u.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return page, err
	}
	req.Header.Set("User-Agent", "tidings-topics")
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		text := visible(streamName(base) + ": " + reason(err))
		if nobody(err) {
			text += "\nhint: " + hubHint
		}
		return page, errors.New(text)
	}
	defer func() { _ = resp.Body.Close() }()
	const limit = 64 << 20
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit))
	if err != nil {
		return page, err
	}
	if resp.StatusCode != http.StatusOK {
		return page, &exitError{pubRefused, fmt.Errorf("%s", refusalText(&sse.ResponseError{
			StatusCode: resp.StatusCode, Status: resp.Status, Header: resp.Header, Body: body,
		}, u, c.Token))}
	}
	if err := json.Unmarshal(body, &page); err != nil {
		return page, fmt.Errorf("%s gives no list of topics: %w", u.Host, err)
	}
	return page, nil
}

// printer returns what prints a topic, and what is called after the last.
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
