package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tidings-sse/tidings/internal/wire"
	"github.com/tidings-sse/tidings/sse"

	"github.com/tidings-sse/tidings/internal/address"
)

// follower passes the events of a stream through the steps that the flags select:
//
//	stream ─▶ --type ─▶ printer ─▶ command of --exec ─▶ --state
//
// It handles one event at a time, in one goroutine, so that the position never passes an unhandled event. A slow command slows down the
// connection, and nothing is queued.
type follower struct {
	cmd      *subCmd
	messages iter.Seq2[message, error]
	url      *url.URL // nil for standard input
	printer  printer  // nil to print nothing
	raw      bool     // the format is raw
	runner   *runner  // nil to run no command
	state    *state   // nil to keep no position
	status   *status

	handled int    // events that passed all steps
	lastID  string // the last event ID as of the last of them
}

// follower prepares a run, and reports all errors that can be found before the first byte is sent. cancel ends the run.
func (c *subCmd) follower(ctx context.Context, cancel context.CancelCauseFunc, std stdio) (*follower, error) {
	format := c.format(std.out)
	f := &follower{cmd: c, status: &status{
		program: "tidings sub", giveUp: "; --once would give up", w: std.err, quiet: c.Quiet, terminal: isTerminal(std.err), pretty: format == "pretty",
		style: styleFor(std.err, c.Color),
	}}
	if format != "" {
		f.raw = format == "raw"
		f.printer = newPrinter(format, std.out, styleFor(std.out, c.Color), f.status.note)
	}
	if c.Exec != "" {
		f.runner = &runner{line: c.Exec, out: std.out, err: std.err}
	}
	var comment func([]byte)
	if c.Comments {
		comment = func(text []byte) {
			if err := f.printer.comment(text, time.Now()); err != nil {
				cancel(&outputError{err})
			}
		}
	}
	if c.stream == "-" {
		f.messages = rawMessages(readInput(ctx, std.in, &sse.ReadOptions{MaxEvent: c.MaxEvent, Comment: comment}))
		return f, nil
	}
	return f, f.open(ctx, std.in, comment)
}

// open prepares the subscription.
func (f *follower) open(ctx context.Context, in io.Reader, comment func([]byte)) error {
	req, hub, err := f.cmd.request(ctx, in)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	h, err := f.cmd.httpClient(hub)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	f.url = req.URL
	if f.cmd.State != "" {
		if f.state, err = openState(f.cmd.State, stateName(hub, req.URL), f.saveInterval()); err != nil {
			return &exitError{exitFailure, err}
		}
	}
	f.setStart(req)
	f.status.server, f.status.at = address.Name(req.URL), address.Hub{URL: req.URL}
	if f.cmd.byTopic() {
		f.status.server, f.status.hub, f.status.at = hub.String(), true, hub
		return f.openHub(ctx, req, hub, h, comment)
	}
	client := f.cmd.client(h)
	client.Backoff = patienceWith(req.URL.Hostname())
	client.Comment = comment
	var source *sse.Source
	client.Observe = func(s sse.State, failure *sse.Failure) {
		f.status.observe(s, failure, f.status.server, source.LastEventID())
	}
	source = client.Open(req)
	f.messages = rawMessages(source.Events())
	return nil
}

// stateName returns the name of a stream in the state file.
func stateName(hub address.Hub, u *url.URL) string {
	if hub.Socket == "" {
		return address.Name(u)
	}
	return hub.String() + u.RequestURI()
}

// saveInterval returns the minimum time between two writes of the state file. With a command it is 0, because repeating a command may do harm,
// and a command takes longer than a write. Printing an event twice is harmless.
func (f *follower) saveInterval() time.Duration {
	if f.runner != nil {
		return 0
	}
	return time.Second
}

const lastEventID = "Last-Event-Id" // in the canonical form of net/http

// setStart sets the starting position: --last-event-id, else a header, else the state file.
func (f *follower) setStart(req *http.Request) {
	const name = lastEventID
	if id := f.cmd.LastEventID; id != nil {
		req.Header.Set(name, *id)
		return
	}
	id := f.state.id()
	if id == "" || req.Header.Get(name) != "" {
		return
	}
	if strings.ContainsFunc(id, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7F }) {
		f.status.note("the id in the state file has control characters and cannot be sent, so the stream starts at the server's default position")
		return
	}
	req.Header.Set(name, id)
}

// readInput returns the events in a stream. A goroutine of its own reads, so that the end of ctx need not wait for a blocked read. A terminal
// or a pipe may block this goroutine until the program ends.
func readInput(ctx context.Context, in io.Reader, opts *sse.ReadOptions) iter.Seq2[sse.Event, error] {
	pr, pw := io.Pipe()
	go func() {
		_, err := io.Copy(pw, in)
		_ = pw.CloseWithError(err)
	}()
	context.AfterFunc(ctx, func() { _ = pr.CloseWithError(ctx.Err()) })
	return sse.Read(pr, opts)
}

// run handles events until the run ends. Then the state file holds the position.
func (f *follower) run(ctx context.Context) error {
	err := f.follow(ctx)
	if closing := f.state.close(); err == nil && closing != nil {
		return closing
	}
	return err
}

func (f *follower) follow(ctx context.Context) error {
	for m, err := range f.messages {
		if err != nil {
			return err
		}
		if err := f.handle(ctx, m); err != nil {
			return err
		}
		if f.cmd.Count > 0 && f.handled == f.cmd.Count {
			return nil
		}
	}
	text := "the stream has ended"
	if n := len(f.cmd.exactTopics()); n > 0 {
		text = strings.Join(f.cmd.topics, ", ") + completeText(n)
		if f.handled == 0 { // without events, only this line explains the end
			if f.cmd.Since == "" && f.cmd.Last == 0 {
				text += "; --since earliest shows the events there are"
			}
			f.status.say(text)
			return nil
		}
	}
	f.status.mention(text)
	return nil
}

func completeText(topics int) string {
	if topics == 1 {
		return " is complete"
	}
	return " are complete"
}

// handle prints m, runs the command for it, and records its position.
func (f *follower) handle(ctx context.Context, m message) error {
	e := m.Event
	if f.cmd.wants(e) {
		if f.printer != nil {
			if err := f.printer.event(m, time.Now()); err != nil {
				return &outputError{err}
			}
		}
		if f.runner != nil {
			if err := f.exec(ctx, m); err != nil {
				return err
			}
		}
		f.handled++
	}
	if e.Type == wire.TypeCheckpoint && f.raw { // a reader of the output may resume from it
		if err := f.printer.event(m, time.Now()); err != nil {
			return &outputError{err}
		}
	}
	f.lastID = e.ID
	return f.state.save(e.ID)
}

func (f *follower) exec(ctx context.Context, e message) error {
	err := f.runner.run(ctx, e)
	switch {
	case err == nil || ctx.Err() != nil:
		return err
	case f.cmd.KeepGoing:
		f.status.note((&execError{e.Event, err}).Error())
		return nil
	}
	return &execError{e.Event, err}
}

// outcome turns the end of a run into an error message and an exit code.
func (f *follower) outcome(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx) // err is only a consequence
	}
	var (
		output *outputError
		exec   *execError
	)
	switch {
	case errors.As(err, &output):
		if errors.Is(output.err, errReaderGone) || brokenPipe(output.err) {
			return nil
		}
		return &exitError{exitFailure, err}
	case errors.Is(err, errTimeout):
		return &exitError{exitTimeout, fmt.Errorf("%w: %s, and %s", err, f.cmd.Timeout, events(f.handled))}
	case ctx.Err() != nil:
		return f.interrupted()
	case errors.As(err, &exec):
		return &exitError{subExecFailed, fmt.Errorf("%w\nhint: --keep-going continues with the next event", err)}
	case errors.Is(err, sse.ErrEnded) && f.cmd.Once:
		f.status.mention("the stream has ended")
		return nil
	}
	return f.status.failure(err, f.url, f.cmd.Token)
}

// interrupted reports the end of a run by a signal.
func (f *follower) interrupted() error {
	f.status.leaveLine()
	text := "interrupted after " + events(f.handled)
	if f.lastID != "" {
		text += ", the last with id " + shorten(f.lastID, 64)
	}
	f.status.say(text)
	return &exitError{exitInterrupted, nil}
}

func events(n int) string {
	if n == 1 {
		return "1 event"
	}
	return fmt.Sprintf("%d events", n)
}

// execError is the error of a command that failed for an event.
type execError struct {
	event sse.Event
	err   error
}

func (e *execError) Error() string {
	which := "an event without id"
	if e.event.ID != "" {
		which = "the event with id " + shorten(e.event.ID, 64)
	}
	return fmt.Sprintf("the command failed for %s: %v", visible(which), e.err)
}

func (e *execError) Unwrap() error { return e.err }
