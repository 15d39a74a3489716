package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/tidings-sse/tidings/internal/wire"
	"github.com/tidings-sse/tidings/sse"
)

// subCmd is the command line of tidings sub: curl for Server-Sent Events. This file has the flags, the help and Run. sub_follow.go has the
// work of Run.
type subCmd struct {
	Args []string `arg:"" optional:"" name:"topic" help:"Topics or patterns of a hub, whose URL may come first; or the URL of any stream; or - for a stream on standard input."`

	hubFlags `embed:""`
	Topics   []string `group:"Which hub" name:"topic" sep:"none" placeholder:"TOPIC" help:"A topic, which may look like a URL. Can be repeated."`
	Since    string   `group:"Which hub" placeholder:"WHEN" help:"Start in the past: 10m, 36h or 7d ago, at a time such as 2026-11-22T10:00:00Z, or at the earliest event."`
	Last     int      `group:"Which hub" placeholder:"N" help:"Start with the last N events."`

	Format   string   `group:"What to show" short:"f" default:"auto" enum:"auto,pretty,raw,ndjson,data" placeholder:"FORMAT" help:"pretty, raw, ndjson or data; by default pretty on a terminal, else raw."`
	Types    []string `group:"What to show" name:"type" short:"t" sep:"none" placeholder:"TYPE" help:"Only events of this type. Can be repeated."`
	Count    int      `group:"What to show" short:"n" placeholder:"N" help:"Stop after N events; 0 for no limit."`
	Comments bool     `group:"What to show" help:"Also show comments, such as heartbeats."`
	Color    string   `group:"What to show" default:"auto" enum:"auto,always,never" placeholder:"WHEN" help:"auto, always or never."`
	Quiet    bool     `group:"What to show" short:"q" help:"Do not report lost connections and reconnections."`

	Header      []string `group:"What to ask for" short:"H" sep:"none" placeholder:"'NAME: VALUE'" help:"A header field of the request. Can be repeated."`
	Method      string   `group:"What to ask for" short:"X" placeholder:"METHOD" help:"The method; GET by default, POST with --data."`
	Data        *string  `group:"What to ask for" short:"d" placeholder:"TEXT" help:"The body of the request; @FILE reads a file, @- standard input. JSON is sent as application/json, unless --header says otherwise."`
	LastEventID *string  `group:"What to ask for" name:"last-event-id" placeholder:"ID" help:"Start after the event with this ID, instead of the position in --state."`

	Once        bool          `group:"How long to stay" aliases:"no-reconnect" xor:"policy" help:"Stop when the stream ends. --no-reconnect is the same."`
	Browser     bool          `group:"How long to stay" xor:"policy" help:"Reconnect as a browser does: after a fixed time, and never after a refusal."`
	Repeat      bool          `group:"How long to stay" help:"Reconnect even if the method is not GET, which sends the request again."`
	Timeout     time.Duration `group:"How long to stay" placeholder:"DURATION" help:"Stop after this time, such as 10s, 5m or 1h30m; 0 for no limit."`
	IdleTimeout time.Duration `group:"How long to stay" placeholder:"DURATION" help:"Treat a connection as dead after this much silence. Comments, such as heartbeats, break the silence."`
	MaxEvent    int           `group:"How long to stay" placeholder:"BYTES" help:"Size of the largest event; 16 MiB by default, -1 for no limit."`

	Exec      string `group:"What to do with events" short:"e" placeholder:"COMMAND" help:"Run COMMAND for each event, instead of printing it unless --format is given."`
	KeepGoing bool   `group:"What to do with events" help:"Continue with the next event when COMMAND fails."`
	State     string `group:"What to do with events" short:"s" placeholder:"FILE" help:"Keep the position in FILE, and start where the last run ended."`

	topics []string // of a hub; none for another stream
	stream string   // the URL of another stream, or "-" for standard input
}

const subExecFailed = 5 // the command of --exec failed

// Help is the manual. Kong reflows it as a doc comment: indented lines stay as they are.
func (c *subCmd) Help() string {
	return `
Subscribes to topics of a hub, or to any stream of Server-Sent Events. When the connection breaks, it reconnects and resumes.

An argument with a scheme (https://…) or a port (:3000), and localhost, is a URL; every other argument is a topic: see tidings --help.
In topics * stands for one segment and ** at the end for any number. Quote patterns: the shell expands *.

Formats:

    pretty   time, type, ID and data for people; JSON on one line, or broken
             after commas. For topics the time is when the hub stored the
             event, otherwise when it arrived
    raw      Server-Sent Events again, as one stream across reconnections
    ndjson   one line {"id", "type", "data", "time"} per event; data is a
             string, time that of arrival. For topics, the envelope of the hub:
             {"id", "topic", "topics", "type", "time", "data", "encoding"}
    data     the data and a line end

On a terminal, control characters in events have no effect: all formats show them as visible characters.

Commands: --exec runs COMMAND by sh -c (cmd /c on Windows), once per event, one at a time. Its standard input is the data and a line
end. Its environment has

    TIDINGS_TYPE    the type, "message" if the event has none
    TIDINGS_ID      the last event ID as of this event
    TIDINGS_TOPIC   the topic, for topics of a hub and for data that is a JSON
                    object with "id", "topic" and "data"; else empty

Commands have no terminal. The first failure ends the run, unless --keep-going is given.

Positions: --state FILE handles every event at least once. An event is handled when it is printed and its command has succeeded, or
when --type excludes it. FILE is replaced atomically, after each command, or without --exec within a second and at the end of the run;
after a crash, later events are handled again. It needs a server that sends IDs and understands Last-Event-ID. Events of type
tidings.checkpoint only advance the position: only --format raw and --type show them. In raw output an event
without an id has the id of the event before it, as on any stream.

Examples:

    tidings sub news 'weather/**'
    tidings sub https://hub.example news --last 10
    tidings sub localhost:3000/events
    tidings sub -n 1 -f data localhost:3000/events
    tidings sub -f ndjson https://example.com/events | jq .data
    tidings sub -H "Authorization: Bearer $TOKEN" https://example.com/events
    tidings sub -d @question.json -f data https://example.com/v1/completions
    tidings sub news --state news.state \
      --exec 'notify-send "$TIDINGS_TYPE" "$(cat)"'
    curl -N https://example.com/events | tidings sub -

Exit codes:

    0     ended as asked: --count is reached, the topics have ended, the server
          says that nothing follows (204), the stream ended with --once, or
          the reader of the output is gone
    1     something failed
    2     wrong usage
    3     the server refused: its status is an error, or its answer is not a
          stream
    4     --timeout expired
    5     the command of --exec failed
    130   interrupted, by Ctrl-C or another signal
`
}

// Run subscribes until the stream or the user ends the run.
func (c *subCmd) Run(ctx context.Context, std stdio) error {
	if err := c.choose(); err != nil {
		return &exitError{exitUsage, err}
	}
	if err := c.validate(); err != nil {
		return &exitError{exitUsage, err}
	}
	if c.Timeout > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, c.Timeout, errTimeout)
		defer stop()
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer catch(cancel)()
	f, err := c.follower(ctx, cancel, std)
	if err != nil {
		return err
	}
	if f.printer != nil {
		defer watchReader(std.out, func() { cancel(&outputError{errReaderGone}) })()
	}
	return f.outcome(ctx, f.run(ctx))
}

// catch handles SIGPIPE and SIGHUP, which would kill the program before it has saved its position and ended its command. It returns a
// function that restores the default.
func catch(cancel context.CancelCauseFunc) func() {
	// With Notify, a write to a closed pipe fails with EPIPE. Ignore would do the same, but the commands of --exec would inherit it.
	pipe, hangup := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(pipe, syscall.SIGPIPE)
	if !signal.Ignored(syscall.SIGHUP) { // nohup ignores it
		signal.Notify(hangup, syscall.SIGHUP)
	}
	done := make(chan struct{})
	go func() {
		select {
		case <-hangup:
			cancel(context.Canceled)
		case <-done:
		}
	}()
	return func() {
		signal.Stop(pipe)
		signal.Stop(hangup)
		close(done)
	}
}

// validate refuses contradictions that kong does not know.
func (c *subCmd) validate() error {
	switch {
	case c.Count < 0:
		return errors.New("--count: the number of events cannot be negative")
	case c.Last < 0:
		return errors.New("--last: the number of events cannot be negative")
	case c.Timeout < 0 || c.IdleTimeout < 0:
		return errors.New("--timeout and --idle-timeout cannot be negative")
	case c.byTopic() && (c.Method != "" || c.Data != nil):
		return errors.New("--method and --data are for other streams, not for topics\nhint: to publish, use tidings pub")
	case c.byTopic() && c.Repeat:
		return errors.New("--repeat is for other streams: subscriptions to topics always reconnect")
	case c.KeepGoing && c.Exec == "":
		return errors.New("--keep-going needs a command: --exec COMMAND")
	case c.Comments && c.Format == "data":
		return errors.New("--comments: the format data shows no comments")
	case c.Comments && c.Exec != "" && c.Format == "auto":
		return errors.New("--comments: with --exec, nothing is shown unless --format is given")
	case c.stream == "-" && c.asks():
		return errors.New("a stream from standard input has no connection: it allows only the flags about what to show, " +
			"--timeout, --max-event, --exec and --keep-going")
	}
	return nil
}

// asks reports whether a flag is set that has an effect only with a server.
func (c *subCmd) asks() bool {
	return len(c.Header) > 0 || c.Method != "" || c.Data != nil || c.LastEventID != nil ||
		c.Once || c.Browser || c.Repeat || c.IdleTimeout > 0 || c.State != ""
}

// format returns the output format, "" to print nothing.
func (c *subCmd) format(out io.Writer) string {
	switch {
	case c.Format != "auto":
		return c.Format
	case c.Exec != "":
		return ""
	case isTerminal(out):
		return "pretty"
	}
	return "raw"
}

// wants reports whether --type selects e.
func (c *subCmd) wants(e sse.Event) bool {
	if len(c.Types) == 0 {
		return e.Type != wire.TypeCheckpoint
	}
	return slices.Contains(c.Types, e.Type)
}

// client returns the client for a stream that is not on a hub.
func (c *subCmd) client(h *http.Client) *sse.Client {
	return &sse.Client{HTTP: h, IdleTimeout: c.IdleTimeout, MaxEvent: c.MaxEvent, Repeat: c.Repeat, Recover: c.recover()}
}

var errTimeout = errors.New("the time is over")
