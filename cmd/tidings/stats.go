package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tidings-sse/tidings/hub"
)

// statsCmd is the command line of tidings stats.
type statsCmd struct {
	URL string `arg:"" optional:"" name:"hub" help:"The hub's URL; --hub is the same."`

	hubFlags `embed:""`

	Format string `short:"f" enum:"auto,table,json" default:"auto" placeholder:"FORMAT" help:"table or json; by default a table on a terminal, else JSON."`
}

// Help is the manual.
func (*statsCmd) Help() string {
	return `
Prints the statistics of a hub: how many streams are open and how far behind, what was stored and delivered, what the log holds, and
what was refused. Counters start with the hub. The numbers are those of /metrics.

A hub with keys requires a token with admin: true. If administration has its own address (--admin-addr), give that address instead.

Examples:

    tidings stats
    tidings stats --format json | jq .streams.max_lag
    tidings stats https://hub.example --token "$ADMIN"`
}

// Run asks the hub and prints its answer.
func (c *statsCmd) Run(ctx context.Context, std stdio) error {
	client, err := c.connectTo(c.URL, "stats")
	if err != nil {
		return err
	}
	var answer json.RawMessage // complete, because programs may know members that this version does not
	if err := client.ask(ctx, http.MethodGet, "api/v1/stats", nil, nil, &answer); err != nil {
		return err
	}
	if c.Format == "json" || c.Format == "auto" && !isTerminal(std.out) {
		_, err := fmt.Fprintf(std.out, "%s\n", answer)
		return err
	}
	var s hub.Stats
	if err := json.Unmarshal(answer, &s); err != nil {
		return fmt.Errorf("%s gives no statistics: %w", client, err)
	}
	return printHubStats(std.out, &s, time.Now())
}

// connectTo is connect for a command whose only argument is the hub.
func (f *hubFlags) connectTo(url, command string) (*hubClient, error) {
	args := []string{}
	if url != "" {
		args = append(args, url)
	}
	topics, rest, err := f.take(args)
	if err == nil && len(topics)+len(rest) > 0 {
		err = fmt.Errorf("%q is not the URL of a hub, and tidings %s takes no topic\nhint: tidings %[2]s http://%[1]s", url, command)
	}
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	program, _, _ := strings.Cut(command, " ")
	client, err := f.connect(program)
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	return client, nil
}

// printHubStats prints statistics as text.
func printHubStats(out io.Writer, s *hub.Stats, now time.Time) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) { _, _ = fmt.Fprintf(w, name+"\t"+format+"\n", args...) } // in memory
	state := "ready"
	if !s.Ready {
		state = "not ready: " + visible(s.Unready)
	}
	line("hub", "%s; started %s ago", state, shortly(now.Sub(s.Began)))

	open := 0
	var kinds []string
	for _, of := range s.Streams.Open {
		if open += of.Count; of.Count > 0 {
			kinds = append(kinds, fmt.Sprintf("%d %s %s", of.Count, of.Form, of.Kind))
		}
	}
	line("streams", "%d open%s", open, inBrackets(kinds))
	behind := 0
	for _, n := range s.Streams.Behind {
		behind += n
	}
	if behind > 0 {
		line("", "%d behind%s, by up to %s", behind, inBrackets(counts(s.Streams.Behind)), number(s.Streams.MaxLag, "event"))
	}
	line("", "%d opened, %d closed%s", s.Streams.Opened, total(s.Streams.Closed), inBrackets(counts(s.Streams.Closed)))
	if s.Streams.Moved > 0 {
		line("", "%d slow ones moved to the newest event, with a gap", s.Streams.Moved)
	}
	line("events", "%d stored, %s", s.Events.Stored, number(s.Events.Duplicates, "duplicate"))
	line("", "%d delivered, %s", s.Events.Delivered, bytesText(int64(s.Events.DeliveredBytes)))
	line("log", "%s, %s, from %s-%d to %[3]s-%[5]d", number(s.Log.Events, "event"), bytesText(s.Log.Bytes), visible(s.Log.Generation), s.Log.First, s.Log.Head)
	if s.Log.Unseen > 0 {
		line("", "%s that the hub has not read yet", number(s.Log.Unseen, "event"))
	}
	line("window", "%s, %s", number(s.Window.Events, "event"), bytesText(s.Window.Bytes))
	line("refused", "%s%s", number(total(s.Refused.Requests), "request"), inBrackets(counts(s.Refused.Requests)))
	if n := total(s.Refused.Tokens); n > 0 {
		line("", "%s%s", number(n, "token"), inBrackets(counts(s.Refused.Tokens)))
	}
	if n := total(s.Refused.Limits); n > 0 {
		line("", "by a limit: %s", strings.Join(counts(s.Refused.Limits), ", "))
	}
	line("revocations", "%d", s.Revocations)
	return w.Flush()
}

// counts returns the counts that are not 0, the largest first.
func counts[N int | uint64](of map[string]N) (texts []string) {
	names := slices.SortedFunc(maps.Keys(of), func(a, b string) int {
		switch {
		case of[a] > of[b]:
			return -1
		case of[a] < of[b]:
			return 1
		}
		return strings.Compare(a, b)
	})
	for _, name := range names {
		if of[name] > 0 {
			texts = append(texts, fmt.Sprintf("%d %s", of[name], visible(name)))
		}
	}
	return texts
}

func total(of map[string]uint64) (sum uint64) {
	for _, n := range of {
		sum += n
	}
	return sum
}

func inBrackets(texts []string) string {
	if len(texts) == 0 {
		return ""
	}
	return " (" + strings.Join(texts, ", ") + ")"
}

// bytesText returns a size such as 12.3 MB.
func bytesText(n int64) string {
	const units = "kMGTPE"
	if n < 1000 {
		return fmt.Sprintf("%d bytes", n)
	}
	size, unit := float64(n)/1000, 0
	for size >= 999.95 && unit < len(units)-1 {
		size /= 1000
		unit++
	}
	return fmt.Sprintf("%.1f %cB", size, units[unit])
}

// shortly formats a duration in its two largest units, such as 3d4h or 5m12s.
func shortly(d time.Duration) string {
	d = max(d, 0).Round(time.Second)
	switch {
	case d >= 24*time.Hour:
		return fmt.Sprintf("%dd%dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return d.String()
}

var errWhich = errors.New("say which streams, by their IDs, --topic, --sub, --jti, --address or --lag, or --all of them")
