package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
)

// logCmd is the command line of tidings log, which inspects data directories.
type logCmd struct {
	Stats    logStatsCmd    `cmd:"" help:"Print what a data directory holds."`
	Check    logCheckCmd    `cmd:"" help:"Read a whole data directory and report damage."`
	Dump     logDumpCmd     `cmd:"" help:"Print the records of a data directory, one JSON object per line."`
	Restored logRestoredCmd `cmd:"" help:"Start a new generation after a data directory was restored from a copy."`
}

// Help is the manual. Kong reflows it as a doc comment: indented lines stay as they are.
func (c *logCmd) Help() string {
	return `
DIR is the data directory of a hub, or of a log, that no process has open: stop the hub first, or inspect a copy of the directory. Only
restored changes the directory.

Exit codes:

    0     success; check has found no damage
    1     the command failed, or check has found damage
    2     wrong usage`
}

// logDir is the argument of all these commands.
type logDir struct {
	Dir string `arg:"" name:"dir" help:"The data directory."`
}

// inspect calls f with the log in the directory open. The data directory of a hub of a cluster has its log in a directory of its own.
func (d *logDir) inspect(f func(*disklog.Inspector) error) error {
	if log := d.below(); log != "" {
		d.Dir = log
	}
	i, err := disklog.Inspect(d.Dir)
	if err != nil {
		return whichDir(d.ofMirror(whenInUse(err)))
	}
	return errors.Join(f(i), i.Close())
}

// below returns the directory of the log if Dir is the data directory of a hub of a cluster; empty: it is not.
func (d *logDir) below() string {
	log := filepath.Join(d.Dir, mirrorDir)
	if exists(filepath.Join(d.Dir, identityFile)) || !exists(filepath.Join(log, identityFile)) {
		return ""
	}
	return log
}

// ofMirror replaces the remedy of a log that cannot be opened, if it is that of a hub of a cluster.
func (d *logDir) ofMirror(err error) error {
	if dir, ok := errors.AsType[*disklog.DirError](err); ok && dir.Damaged() && d.isMirror() {
		return &disklog.DirError{Dir: dir.Dir, Remedy: d.mirrorRemedy(), Err: dir.Err}
	}
	return err
}

// isMirror reports whether the directory has the log of a hub of a cluster.
func (d *logDir) isMirror() bool {
	var identity struct {
		Mirror bool `json:"mirror"`
	}
	text, err := os.ReadFile(filepath.Join(d.Dir, identityFile))
	return err == nil && json.Unmarshal(text, &identity) == nil && identity.Mirror
}

// remedy says what to do with a damaged log.
func (d *logDir) remedy() string {
	if d.isMirror() {
		text := d.mirrorRemedy()
		return strings.ToUpper(text[:1]) + text[1:]
	}
	return "Restore the directory from a copy, then run: tidings log restored " + d.Dir
}

// mirrorRemedy is remedy for the log of a hub of a cluster.
func (d *logDir) mirrorRemedy() string {
	return "start its hub, which takes a copy of another hub's log; if no other hub has the events, restore the hub's data directory from a copy, then run: " + d.restoreHub()
}

// restoreHub is the command after the data directory of a hub of a cluster was restored. The log is a directory in it.
func (d *logDir) restoreHub() string {
	if above := filepath.Join(d.Dir, ".."); exists(filepath.Join(above, mirrorDir, identityFile)) {
		return "tidings log restored " + above
	}
	return "tidings log restored DIR, with the directory in which this one has the name " + mirrorDir
}

// whichDir says in the error of a directory without a log how to find the right one.
func whichDir(err error) error {
	if dir, ok := errors.AsType[*disklog.DirError](err); ok && errors.Is(err, disklog.ErrNoLog) {
		return &disklog.DirError{Dir: dir.Dir, Remedy: "name the directory that a hub has for --data, or the one with the file " + identityFile, Err: dir.Err}
	}
	return err
}

// whenInUse adds a hint to the error of a directory that another process has open.
func whenInUse(err error) error {
	if !errors.Is(err, disklog.ErrInUse) {
		return err
	}
	return fmt.Errorf("%w\nhint: if the process is a hub, use tidings stats, topics and sub, which ask the running hub; --hub names it", err)
}

type logStatsCmd struct {
	logDir
	JSON bool `name:"json" help:"Print one JSON object."`
}

// Run prints the statistics.
func (c *logStatsCmd) Run(ctx context.Context, io stdio) error {
	return c.inspect(func(i *disklog.Inspector) error {
		s, err := i.Stats(ctx)
		if err != nil {
			return err
		}
		if c.JSON {
			enc := json.NewEncoder(io.out)
			enc.SetIndent("", "  ")
			return enc.Encode(newLogStats(&s))
		}
		return printStats(io.out, &s)
	})
}

// logStats is the output of --json.
type logStats struct {
	Dir        string     `json:"dir"`
	Format     int        `json:"format"`
	Head       string     `json:"head"`
	First      uint64     `json:"first"`
	Events     int64      `json:"events"`
	Bytes      int64      `json:"bytes"`
	Disk       int64      `json:"disk"`
	Oldest     *time.Time `json:"oldest,omitempty"`
	Newest     *time.Time `json:"newest,omitempty"`
	Topics     int        `json:"topics"`
	DeadTopics int        `json:"deadTopics"`
	Keys       uint64     `json:"keys"`
	Trimmed    uint64     `json:"trimmed"`
	Floor      uint64     `json:"floor"`
	Closed     bool       `json:"closed"`
	Holes      []logHole  `json:"holes"`
	Largest    []logTopic `json:"largest"`
}

type logHole struct {
	From   uint64          `json:"from"`
	To     uint64          `json:"to"`
	Reason eventlog.Reason `json:"reason"`
}

type logTopic struct {
	Topic  string `json:"topic"`
	Events int64  `json:"events"`
	Bytes  int64  `json:"bytes"`
	Last   uint64 `json:"last"`
}

func newLogStats(s *disklog.Stats) logStats {
	out := logStats{
		Dir: s.Dir, Format: s.Format, Head: s.Head.String(), First: s.First, Events: s.Events, Bytes: s.Bytes, Disk: s.Disk,
		Topics: s.Topics, DeadTopics: s.Dead, Keys: s.Keys, Trimmed: s.Trimmed, Floor: s.Floor, Closed: s.Closed,
		Holes: make([]logHole, 0, len(s.Holes)), Largest: make([]logTopic, 0, len(s.Largest)),
	}
	if !s.Newest.IsZero() {
		out.Oldest, out.Newest = &s.Oldest, &s.Newest
	}
	for _, h := range s.Holes {
		out.Holes = append(out.Holes, logHole{h.From, h.To, h.Reason})
	}
	for _, t := range s.Largest {
		out.Largest = append(out.Largest, logTopic{t.Name, t.Events, t.Bytes, t.Last})
	}
	return out
}

func printStats(out io.Writer, s *disklog.Stats) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(w, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	row("directory", "%s (format %d)", s.Dir, s.Format)
	row("head", "%v", s.Head)
	if s.First == 0 {
		row("records", "none")
	} else {
		row("records", "%s, from number %d", grouped(s.Events), s.First)
		row("time", "%s to %s", s.Oldest.Format(time.RFC3339), s.Newest.Format(time.RFC3339))
	}
	row("size", "%s as retention counts it, %s on disk", inBytes(s.Bytes), inBytes(s.Disk))
	row("topics", "%s with records, %s remembered without records", grouped(int64(s.Topics)), grouped(int64(s.Dead)))
	row("keys", "%s for idempotency", grouped(int64(s.Keys)))
	row("trimmed", "%s", throughNumber(s.Trimmed))
	row("forgotten", "%s", throughNumber(s.Floor))
	if !s.Closed {
		row("not closed", "the newest records may be lost; opening the log will report that as a gap")
	}
	for _, h := range s.Holes {
		row("hole", "%d to %d (%s)", h.From, h.To, h.Reason)
	}
	if err := w.Flush(); err != nil || len(s.Largest) == 0 {
		return err
	}
	w = tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "\nrecords\tsize\tlast\t  largest topics\n")
	for _, t := range s.Largest {
		fmt.Fprintf(w, "%s\t%s\t%d\t  %s\n", grouped(t.Events), inBytes(t.Bytes), t.Last, shown(t.Name))
	}
	return w.Flush()
}

// shown returns a topic for display: quoted if it has special characters, and at most 48 characters long.
func shown(topic string) string {
	const most = 48
	if quoted := strconv.Quote(topic); quoted != `"`+topic+`"` {
		topic = quoted
	}
	if utf8.RuneCountInString(topic) > most {
		topic = string([]rune(topic)[:most-1]) + "…"
	}
	return topic
}

func throughNumber(seq uint64) string {
	if seq == 0 {
		return "nothing"
	}
	return fmt.Sprintf("up to number %d", seq)
}

// grouped formats a number with a comma between thousands.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func inBytes(n int64) string {
	value, unit := float64(n), "B"
	for _, next := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if value < 1024 {
			break
		}
		value, unit = value/1024, next
	}
	if unit == "B" {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", value, unit)
}
