package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"os"
	"runtime"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tidings-sse/tidings"

	"github.com/tidings-sse/tidings/internal/address"
)

// pubCmd is the command line of tidings pub. This file has the flags, the help, Run, and then the functions that read the events to publish.
// Progress is in pub_progress.go, --follow in pub_follow.go.
type pubCmd struct {
	Topic string   `arg:"" optional:"" help:"The topic; the hub's URL may come first. With --ndjson it can be left out if the lines name their topics."`
	Words []string `arg:"" optional:"" name:"data" help:"The event's data, joined with spaces. Without it, each line of standard input is an event."`

	hubFlags `embed:""`

	Topics []string `group:"What to publish" name:"topic" sep:"none" placeholder:"TOPIC" help:"The topic, which may look like a URL. All arguments are then data. Can be repeated."`
	Also   []string `group:"What to publish" sep:"none" placeholder:"TOPIC" help:"Another topic of the same events. Can be repeated."`
	Type   string   `group:"What to publish" short:"t" placeholder:"TYPE" help:"The events' type; message by default."`
	File   string   `group:"What to publish" type:"path" placeholder:"FILE" help:"Read FILE instead of standard input; - is standard input, which may then be empty."`
	Follow string   `group:"What to publish" short:"F" type:"path" placeholder:"FILE" help:"Publish each line written to FILE from now on, like tail -F."`
	Whole  bool     `group:"What to publish" short:"w" xor:"form" help:"The whole input is one event."`
	Binary bool     `group:"What to publish" short:"b" help:"The whole input is one event of bytes."`
	NDJSON bool     `group:"What to publish" xor:"form" help:"Each line is a JSON object: {\"data\": …}, optionally with topic, topics, type, key, encoding, end."`
	End    bool     `group:"What to publish" help:"End the topic afterwards: nothing more can be published to it, and its subscribers get the end."`

	Key   string `group:"How" placeholder:"KEY" help:"Prefix of the events' idempotency keys. Publishing the same events again with the same KEY stores only the missing ones."`
	Quiet bool   `group:"How" short:"q" help:"Print errors only."`

	Timeout time.Duration `group:"How" placeholder:"DURATION" help:"Give up after this time, such as 10s, 5m or 1h30m; 0 for never."`

	topics []string // for events that name no topic
}

// Help is the manual.
func (c *pubCmd) Help() string {
	return `
Publishes events to a hub. It succeeds when the hub has stored all of them, as durably as the hub is configured. It retries when it
cannot reach the hub and when the connection breaks; no event is stored twice.

Prints the ID of one event, or the number of events and the IDs of the first and the last.

Examples:

    tidings pub news hello
    tidings pub https://hub.example news hello
    tidings pub news --type alert 'the house is on fire'
    make 2>&1 | tidings pub builds/42 --end
    tidings pub --ndjson --file events.ndjson
    tidings pub logs/web --follow /var/log/nginx/access.log
    tidings pub photos/1 --binary --file photo.jpg

Exit codes:

    0     the hub has stored all events
    1     something failed; some events may be stored, and a retry with --key
          stores the rest
    2     wrong usage
    3     the hub refused
    4     --timeout expired
    130   interrupted, by Ctrl-C or another signal
`
}

// Run publishes.
func (c *pubCmd) Run(ctx context.Context, std stdio) error {
	if err := c.choose(); err != nil {
		return &exitError{exitUsage, err}
	}
	if err := c.validate(); err != nil {
		return &exitError{exitUsage, err}
	}
	hub, err := c.connect("pub")
	if err != nil {
		return &exitError{exitUsage, err}
	}
	if c.Timeout > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, c.Timeout, errTimeout)
		defer stop()
	}
	p := &progress{w: std.err, hub: hub.Hub, quiet: c.Quiet}
	client := &tidings.Client{
		URL: hub.URL.String(), Token: c.Token, HTTP: hub.http, OnRetry: p.retry, Backoff: patienceWith(hub.URL.Hostname()),
	}
	if c.single() {
		return c.outcome(ctx, hub, c.publishOne(ctx, client, hub, std))
	}
	in, size, err := c.input(ctx, hub, std)
	if err != nil {
		return err
	}
	if !c.typed(std.in) { // a progress bar would disturb the typing
		p.begin(size)
	}
	got, err := client.PublishStream(ctx, c.events(p.count(in)), &tidings.PublishOptions{Key: c.Key, OnStored: p.stored})
	p.end()
	err = errors.Join(err, in.Close())
	ended := ""
	if err == nil && c.End && len(c.topics) > 0 {
		if _, err = client.Publish(ctx, tidings.Event{Topics: c.topics, End: true, Key: suffixed(c.Key, "/end")}); err == nil {
			ended = "; " + strings.Join(c.topics, ", ") + completeText(len(c.topics))
		}
	}
	if err == nil && got.Count == 0 && ended == "" && c.implicit() {
		return &exitError{exitFailure, errors.New(c.nothingText(hub))}
	}
	if (got.Count > 0 || err == nil) && !c.Quiet {
		_, _ = fmt.Fprintln(std.out, receiptsText(got)+ended)
	}
	return c.outcome(ctx, hub, err)
}

// implicit reports whether the input is standard input by default. Then a topic or data may have been forgotten.
func (c *pubCmd) implicit() bool { return c.File+c.Follow == "" && len(c.Words) == 0 && !c.NDJSON }

// nothingText says that the input is empty, and names the topic and the hub, because the first argument may have been meant as data.
func (c *pubCmd) nothingText(hub *hubClient) string {
	return fmt.Sprintf("there was nothing to publish to %s: standard input is empty\n"+
		"hint: tidings pub TOPIC DATA publishes DATA; with --file - empty input is accepted", visible(c.whereText(hub)))
}

// whereText names topics and hub.
func (c *pubCmd) whereText(hub *hubClient) string {
	what := "topic "
	if len(c.topics) > 1 {
		what = "topics "
	}
	return what + strings.Join(c.topics, ", ") + " at " + hub.String()
}

func suffixed(key, suffix string) string {
	if key == "" {
		return ""
	}
	return key + suffix
}

// receiptsText says how many events were stored, and their IDs.
func receiptsText(r tidings.Receipts) string {
	text := events(r.Count) + " stored"
	if r.Duplicates > 0 {
		text += fmt.Sprintf(", %d of them before", r.Duplicates)
	}
	switch {
	case r.Last == "":
		return text
	case r.First == r.Last || r.First == "":
		return text + ": " + r.Last
	}
	return text + ": " + r.First + " to " + r.Last
}

// choose divides the arguments into hub, topics and data.
func (c *pubCmd) choose() error {
	args := c.Words
	if c.Topic != "" || len(c.Words) > 0 {
		args = append([]string{c.Topic}, c.Words...)
	}
	if len(c.Topics) > 0 && len(args) > 0 && address.Is(args[0]) {
		return fmt.Errorf("is %q the hub, or data for %s? Write --hub %[1]s, or send data that looks like a URL to standard input", args[0], c.Topics[0])
	}
	named, args, err := c.take(args)
	if err != nil {
		return err
	}
	c.topics = append(named, c.Topics...)
	if len(c.topics) == 0 && len(args) > 0 {
		c.topics, args = args[:1:1], args[1:]
		if err := checkTopics(c.topics...); err != nil {
			return err
		}
	}
	if err := c.checkData(args); err != nil {
		return err
	}
	c.Words = args
	if err := checkTopics(c.Also...); err != nil {
		return fmt.Errorf("--also: %w", err)
	}
	c.topics = append(c.topics, c.Also...)
	return nil
}

// checkData refuses data whose first word is an address if no hub is named: in tidings pub news localhost:3000 hello, the user means a hub.
// A single word that is a complete URL is data, because people publish links. Quotes or --hub allow the other cases.
func (c *pubCmd) checkData(words []string) error {
	if len(words) == 0 || !address.Is(words[0]) || c.Hub != "" && c.Hub != os.Getenv(hubVariable) {
		return nil
	}
	if len(words) == 1 && (strings.ContainsAny(words[0], " \n") || strings.Contains(words[0], "://")) {
		return nil
	}
	return fmt.Errorf("%q looks like the URL of a hub, which comes first: tidings pub %[1]s %s …\nhint: name the hub with --hub if it is data",
		words[0], strings.Join(c.topics, " "))
}

// validate refuses contradictions that kong does not know.
func (c *pubCmd) validate() error {
	sources := 0
	for _, given := range []bool{len(c.Words) > 0, c.File != "", c.Follow != ""} {
		if given {
			sources++
		}
	}
	switch {
	case len(c.topics) == 0 && !c.NDJSON:
		return errors.New("say where to publish: tidings pub TOPIC [DATA]\nhint: tidings pub --help")
	case sources > 1:
		return errors.New("data on the command line, --file and --follow exclude each other")
	case c.Timeout < 0:
		return errors.New("--timeout cannot be negative")
	case c.Follow != "" && (c.Whole || c.Binary || c.End):
		return errors.New("--follow publishes lines until Ctrl-C, so it excludes --whole, --binary and --end")
	case c.Binary && c.NDJSON:
		return errors.New("--binary publishes the whole input as one event; in NDJSON, write \"encoding\":\"base64\" in a line")
	case len(c.Words) > 0 && c.NDJSON:
		return errors.New("--ndjson reads lines from standard input or --file, not from arguments")
	}
	return nil
}

// single reports whether exactly one event is published.
func (c *pubCmd) single() bool { return len(c.Words) > 0 || c.Whole || c.Binary }

// publishOne publishes one event, and prints its ID.
func (c *pubCmd) publishOne(ctx context.Context, client *tidings.Client, hub *hubClient, std stdio) error {
	e := tidings.Event{Topics: c.topics, Type: c.Type, Key: c.Key, Binary: c.Binary, End: c.End}
	e.Data = []byte(strings.Join(c.Words, " "))
	if len(c.Words) == 0 {
		in, _, err := c.input(ctx, hub, std)
		if err != nil {
			return err
		}
		if e.Data, err = io.ReadAll(in); err != nil {
			return err
		}
		if err := in.Close(); err != nil {
			return err
		}
	}
	if !e.Binary && !utf8.Valid(e.Data) {
		return &exitError{exitFailure, errNotText}
	}
	receipt, err := client.Publish(ctx, e)
	if err == nil && !c.Quiet {
		text := receipt.ID
		if receipt.Duplicate {
			text += " (stored before)"
		}
		_, _ = fmt.Fprintln(std.out, text)
	}
	return err
}

// input returns the input to publish, and its size in bytes, 0 if unknown.
func (c *pubCmd) input(ctx context.Context, hub *hubClient, std stdio) (io.ReadCloser, int64, error) {
	switch {
	case c.Follow != "":
		f, err := followFile(ctx, c.Follow)
		return f, 0, err
	case c.File != "" && c.File != "-":
		f, err := os.Open(c.File)
		if err != nil {
			return nil, 0, err
		}
		size := int64(0)
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			size = info.Size()
		}
		return f, size, nil
	}
	size := int64(0)
	if f, ok := std.in.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			size = info.Size()
		}
	}
	if c.typed(std.in) && !c.Quiet {
		_, _ = fmt.Fprintln(std.err, "tidings pub: "+visible(c.typingText(hub)))
	}
	return interruptible(ctx, std.in), size, nil
}

// typed reports whether a user types the input on a terminal.
func (c *pubCmd) typed(in io.Reader) bool {
	f, ok := in.(*os.File)
	return ok && (c.File == "" || c.File == "-") && c.Follow == "" && isTerminal(f)
}

// typingText is the prompt for input on a terminal.
func (c *pubCmd) typingText(hub *hubClient) string {
	end := "Ctrl-D"
	if runtime.GOOS == "windows" {
		end = "Ctrl-Z and Enter"
	}
	where := "to " + c.whereText(hub) + ": "
	if len(c.topics) == 0 {
		where = "to " + hub.String() + ": " // lines of NDJSON name their topics
	}
	if c.single() {
		return where + "type the data; " + end + " ends it"
	}
	return where + "type lines, each of them an event; " + end + " ends"
}

// interruptible returns a reader that fails when ctx ends, even during a read. The goroutine that reads in ends with the program.
func interruptible(ctx context.Context, in io.Reader) io.ReadCloser {
	pr, pw := io.Pipe()
	go func() {
		_, err := io.Copy(pw, in)
		_ = pw.CloseWithError(err)
	}()
	context.AfterFunc(ctx, func() { _ = pr.CloseWithError(ctx.Err()) })
	return pr
}

// events returns the events in the input.
func (c *pubCmd) events(in io.Reader) iter.Seq2[tidings.Event, error] {
	events := readLines(in)
	if c.NDJSON {
		events = tidings.ReadEvents(in)
	}
	return func(yield func(tidings.Event, error) bool) {
		n := 0
		for e, err := range events {
			if n++; err == nil {
				if e.Topic == "" && len(e.Topics) == 0 {
					e.Topics = c.topics
				}
				if len(e.Topics) == 0 && e.Topic == "" {
					err = fmt.Errorf("event %d of the input names no topic, and neither does the command line", n)
				}
				e.Type = cmp.Or(e.Type, c.Type)
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

var errNotText = errors.New("the data is not UTF-8 text; --binary publishes all of the input as one event of bytes")

// readLines returns an event for each line, without the line end. The last line may lack a line end.
func readLines(in io.Reader) iter.Seq2[tidings.Event, error] {
	return func(yield func(tidings.Event, error) bool) {
		lines := newLineReader(in)
		for n := 1; ; n++ {
			line, err := lines.next()
			if err == nil && !utf8.Valid(line) {
				err = fmt.Errorf("line %d: %w", n, errNotText)
			}
			if err != nil {
				if !errors.Is(err, io.EOF) {
					yield(tidings.Event{}, err)
				}
				return
			}
			if !yield(tidings.Event{Data: bytes.Clone(line)}, nil) {
				return
			}
		}
	}
}

// outcome turns the end of a run into an error message and an exit code.
func (c *pubCmd) outcome(ctx context.Context, hub *hubClient, err error) error {
	problem, refused := errors.AsType[*tidings.Problem](err)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		if c.Follow != "" {
			return nil // --follow always ends this way
		}
		if cause := context.Cause(ctx); errors.Is(cause, errTimeout) {
			return &exitError{exitTimeout, fmt.Errorf("%w: %s; some events may be stored; with --key you can publish again, and only missing events are stored", cause, c.Timeout)}
		}
		return &exitError{exitInterrupted, errors.New("interrupted")}
	case refused:
		return &exitError{exitRefused, errors.New(refusedText(problem, hub))}
	}
	hint := connectionHint(err, hub.Hub, true)
	if errors.Is(err, tidings.ErrNoHub) {
		hint = noHubHint(hub.Hub, http.StatusOK)
	}
	return &exitError{exitFailure, errors.New(visible(reason(err)) + hintLine(hint))}
}

// refusedText describes the refusal of a publish request, as refusalText does for other requests.
func refusedText(p *tidings.Problem, hub *hubClient) string {
	status := strings.TrimSpace(fmt.Sprint(p.Status, " ", http.StatusText(p.Status)))
	lines := []string{shorten(p.Title, problemLine), shorten(p.Detail, problemLine)}
	if p.Type == "" && p.Title == http.StatusText(p.Status) {
		lines = lines[1:] // the status says the same
	}
	hint := cmp.Or(statusHint(p.Status, p.Detail, hub.URL, hub.token), hubRefusalHint(p.Status, p.Type, p.Detail, hub.Hub))
	return refusal("the server answered "+status, lines, hint)
}
