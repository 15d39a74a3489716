package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/tidings-sse/tidings/internal/address"
	"github.com/tidings-sse/tidings/internal/load"
	"github.com/tidings-sse/tidings/internal/plain"
	"github.com/tidings-sse/tidings/internal/wire"
	"github.com/tidings-sse/tidings/sse"
)

// benchCmd is the command line of tidings bench. What it does is in internal/load.
type benchCmd struct {
	At string `arg:"" optional:"" name:"url" help:"The hub, in any form that --hub takes."`

	hubFlags `embed:""`

	Subscribe       string   `group:"Any other hub" placeholder:"URL" help:"The URL of a stream, with {topic} in place of the topic. Without {topic} every stream gets all topics."`
	Publish         string   `group:"Any other hub" placeholder:"URL" help:"The URL to publish to; it can contain {topic}, too."`
	Method          string   `group:"Any other hub" short:"X" default:"POST" placeholder:"METHOD" help:"The method of requests that publish."`
	Data            string   `group:"Any other hub" short:"d" aliases:"body" placeholder:"TEXT" help:"The body of requests that publish: {data} stands for the event, {topic} for its topic; {data} by default. --body is the same."`
	Header          []string `group:"Any other hub" short:"H" sep:"none" placeholder:"'NAME: VALUE'" help:"A header field of all requests. Can be repeated, as can the next two."`
	SubscribeHeader []string `group:"Any other hub" sep:"none" placeholder:"'NAME: VALUE'" help:"A header field of requests that subscribe."`
	PublishHeader   []string `group:"Any other hub" sep:"none" placeholder:"'NAME: VALUE'" help:"A header field of requests that publish."`

	Subscribers int     `group:"How much" default:"1000" placeholder:"N" help:"Number of subscribers; ${default} by default."`
	Topics      int     `group:"How much" default:"1" placeholder:"N" help:"Number of topics, which subscribers and publishers use in turn; ${default} by default."`
	Topic       string  `group:"How much" default:"bench/{n}" placeholder:"NAME" help:"Name of the topics, with {n} for the number; bench/{n} by default."`
	Publishers  int     `group:"How much" default:"1" placeholder:"N" help:"Number of publishers, each with one request at a time; 0 measures an idle hub."`
	Rate        float64 `group:"How much" default:"50" placeholder:"N" help:"Events per second in all; 50 by default. 0 publishes as many as the subscribers can take."`
	Ahead       int     `group:"How much" default:"1000" placeholder:"N" help:"With --rate 0: how many events the publishers may be ahead of the subscribers; ${default} by default."`
	Batch       int     `group:"How much" default:"1" placeholder:"N" help:"Events per request: --data once per event, one per line. For Tidings they are NDJSON."`
	Size        int     `group:"How much" default:"100" placeholder:"BYTES" help:"Size of an event's data; ${default} by default, at least 35."`

	Duration    time.Duration `group:"How long" default:"10s" placeholder:"DURATION" help:"How long to measure; ${default} by default. With --returning at least until all subscribers are back."`
	WarmUp      time.Duration `group:"How long" default:"1s" placeholder:"DURATION" help:"How long to run before measuring; ${default} by default."`
	ConnectRate float64       `group:"How long" placeholder:"N" help:"New connections per second; as many as possible by default."`

	Churn     float64 `group:"What may happen" placeholder:"N" help:"Connections per second that break and reconnect with Last-Event-ID."`
	Slow      int     `group:"What may happen" placeholder:"N" help:"Number of additional slow subscribers."`
	SlowBytes int     `group:"What may happen" default:"100" placeholder:"BYTES" help:"Bytes per second that a slow subscriber reads; ${default} by default, 0 for none."`
	Returning int     `group:"What may happen" placeholder:"N" help:"Number of additional subscribers that all reconnect when measuring begins, after missing events."`
	Missed    int     `group:"What may happen" default:"100" placeholder:"N" help:"Number of events that each of them has missed; ${default} by default."`

	Streams int      `group:"How" name:"http2" placeholder:"N" help:"Use HTTP/2 with N streams per connection; HTTP/1.1 by default."`
	Source  []string `group:"How" sep:"," placeholder:"ADDRESS" help:"Local addresses to connect from, in turn: each has about 28,000 ports."`
	PID     []int    `group:"How" name:"pid" placeholder:"PID" help:"A process of the hub, whose CPU time and memory are measured. Can be repeated."`
	JSON    bool     `group:"How" name:"json" help:"Print JSON."`
	Quiet   bool     `group:"How" short:"q" help:"Show no progress."`
}

// Help is the manual.
func (*benchCmd) Help() string {
	return `
Puts a hub under load: Tidings, or any server that speaks Server-Sent Events and
accepts events over HTTP.

It reports how many events were delivered, how long each took from publisher to
subscriber, and the hub's CPU time and memory. Events are numbered: lost,
duplicate, reordered and misdirected events are counted. With a rate, latency
counts from the time when an event was due, so that a hub that makes publishers
wait does not look faster.

Subscribers and hub share a machine here. Give each its own core, or they
disturb each other:

    taskset -c 0 tidings serve --memory
    taskset -c 1 tidings bench --pid $(pidof tidings)

Published events stay in the hub, in the topics bench/0, bench/1, …, as
long as its retention keeps them. Use a hub with --memory, or one with
--keep 'bench/**=age:1m'.

Examples with a hub at localhost:3000:

    tidings bench                    1,000 subscribers, 50 events per second
    tidings bench https://hub.example --ca ca.pem
    tidings bench --subscribers 10000 --topics 100 --rate 200 --publishers 4
    tidings bench --rate 0 --batch 10 --publishers 4    as fast as possible
    tidings bench --publishers 0 --pid 4711             an idle hub
    tidings bench --churn 100                           breaking connections
    tidings bench --slow 50 --slow-bytes 10             slow subscribers
    tidings bench --returning 5000 --missed 100         a storm of reconnections
    tidings bench --topics 1000 --http2 100             100 streams a connection

Other hubs, if their configuration has these paths and tokens:

    tidings bench --subscribe 'localhost:80/sub/{topic}' \
      --publish 'localhost:80/pub/{topic}'
    tidings bench \
      --subscribe 'https://localhost/.well-known/mercure?topic={topic}' \
      --publish https://localhost/.well-known/mercure \
      -H "Authorization: Bearer $JWT" \
      -H 'Content-Type: application/x-www-form-urlencoded' \
      --data 'topic={topic}&data={data}'
    tidings bench --publish localhost:8000/api/publish -H 'X-API-Key: KEY' \
      --subscribe "localhost:8000/connection/uni_sse?cf_connect=$CONNECT" \
      --data '{"channel":"{topic}","data":{"text":"{data}"}}'

where CONNECT='%7B%22subs%22:%7B%22{topic}%22:%7B%7D%7D%7D'.

Exit codes:

    0     every subscriber got every event, once and in order
    1     the measurement failed
    2     wrong usage
    3     the hub refused
    4     an event was lost, duplicated, reordered or misdirected
    130   interrupted, by Ctrl-C or another signal; the results until then are
          printed
`
}

const benchFaulty = 4 // the hub delivered an event wrongly

// Run measures a hub.
func (c *benchCmd) Run(ctx context.Context, std stdio) error {
	if err := c.choose(); err != nil {
		return &exitError{exitUsage, err}
	}
	o, err := c.options()
	if err != nil {
		return &exitError{exitUsage, err}
	}
	if err := checkSockets(o); err != nil {
		return &exitError{exitUsage, err}
	}
	p := &benchProgress{w: std.err}
	if !c.Quiet && isTerminal(std.err) {
		o.Status = p.show
	}
	report, err := load.Run(ctx, o)
	p.clear()
	if err != nil && ctx.Err() != nil {
		return &exitError{exitInterrupted, errors.New("interrupted")}
	} else if err != nil {
		return c.failed(err)
	}
	if err := c.print(std.out, report); err != nil {
		return err
	}
	if report.Faulty() {
		return &exitError{benchFaulty, errors.New("the hub did not deliver every event once and in order to each of its subscribers")}
	}
	if report.Interrupted {
		return &exitError{exitInterrupted, errors.New("interrupted")}
	}
	return nil
}

// checkSockets returns an error if the process may not open enough files for the connections of a run.
func checkSockets(o *load.Options) error {
	const others = 32 // files of the program itself
	limit, ok := fileLimit()
	subscribers := o.Subscribers + o.Slow + o.Missing + min(o.Missing, o.Topics)
	need := subscribers + o.Publishers + others
	if o.Streams > 0 {
		need = subscribers/o.Streams + 1 + o.Slow + o.Publishers + others
	}
	if !ok || uint64(need) <= limit {
		return nil
	}
	return fmt.Errorf("the connections of this run need %d open files, and this process may open %d"+
		"\nhint: raise the limit with ulimit -n %[1]d, or lower --subscribers", need, limit)
}

// failed returns the error of a run that measured nothing.
func (c *benchCmd) failed(err error) error {
	h, _ := c.hub() // options has read it before
	isHub := c.Subscribe == "" && c.Publish == ""
	answer, ok := errors.AsType[*load.Refusal](err)
	if !ok {
		return errors.New(visible(benchText(err)) + hintLine(connectionHint(err, h, isHub)))
	}
	at, u := h, h.URL
	if answer.Request != nil {
		u = answer.Request.URL
	}
	if !isHub {
		at = address.Hub{}
	}
	return &exitError{exitRefused, errors.New(refusalText(&sse.ResponseError{
		StatusCode: answer.StatusCode, Status: answer.Status, Header: answer.Header, Body: answer.Text, Reason: answer.Error(),
	}, u, at, c.Token))}
}

// choose decides which hub to measure.
func (c *benchCmd) choose() error {
	if c.At == "" {
		return nil
	}
	topics, rest, err := c.take([]string{c.At})
	switch {
	case err != nil:
		return err
	case len(rest) > 0:
		return fmt.Errorf("%q is not a URL; --topic sets the names of the topics", c.At)
	case len(topics) > 0:
		return fmt.Errorf("%q is the URL of a stream: --subscribe takes it, and --publish the URL to publish to", c.At)
	case c.Subscribe != "" && c.Publish != "":
		return fmt.Errorf("--subscribe and --publish replace the hub, so %s would not be used", c.At)
	}
	return nil
}

// benchText says why a run measured nothing.
func benchText(err error) string {
	if text := certificateText(err); text != "" {
		return text
	}
	if tlsRefused(err) || tlsWanted(err) {
		return reason(err)
	}
	return plain.Text(err.Error())
}

func (c *benchCmd) print(out io.Writer, report *load.Report) error {
	if !c.JSON {
		if isTerminal(out) {
			out = visibleWriter{out}
		}
		return report.WriteText(out)
	}
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(report)
}

// options returns the options of the run.
func (c *benchCmd) options() (*load.Options, error) {
	o := &load.Options{
		Method: c.Method, Body: c.Data, Subscribers: c.Subscribers, Topics: c.Topics, Topic: c.Topic,
		Publishers: c.Publishers, Rate: c.Rate, Ahead: c.Ahead, Batch: c.Batch, Size: c.Size,
		Duration: c.Duration, WarmUp: c.WarmUp, Connects: c.ConnectRate,
		Churn: c.Churn, Slow: c.Slow, SlowBytes: c.SlowBytes, Missing: c.Returning, Missed: c.Missed,
		Streams: c.Streams, Source: c.Source, PIDs: c.PID,
	}
	var err1, err2 error
	o.SubscribeHeader, err1 = c.headers(c.SubscribeHeader)
	o.PublishHeader, err2 = c.headers(c.PublishHeader)
	if err := cmp.Or(err1, err2); err != nil {
		return nil, err
	}
	return o, c.setURLs(o)
}

// setURLs sets the URLs. Without --subscribe and --publish they are those of a Tidings hub.
func (c *benchCmd) setURLs(o *load.Options) error {
	h, err := c.hub()
	if err != nil {
		return err
	}
	if o.TLS, err = c.tlsConfig(); err != nil {
		return err
	}
	o.Socket = h.Socket
	events := h.URL.String() + "/events?topic={topic}"
	if c.Publish == "" && c.Batch > 1 && c.Data == "" {
		o.Body = `{"data":"{data}"}`
		o.PublishHeader.Set("Content-Type", wire.MediaNDJSON)
	}
	if o.Subscribe, err = benchURL("--subscribe", cmp.Or(c.Subscribe, events)); err != nil {
		return err
	}
	o.Publish, err = benchURL("--publish", cmp.Or(c.Publish, events))
	return err
}

// benchURL completes a URL that may have no scheme. It checks it without {topic}, because net/url would escape the braces.
func benchURL(flag, text string) (string, error) {
	const stand = "tidingstopic"
	u, err := address.Parse(strings.ReplaceAll(text, "{topic}", stand))
	if err != nil {
		return "", fmt.Errorf("%s: %w", flag, err)
	}
	if rest, ok := strings.CutPrefix(text, ":"); ok {
		text = u.Host[:len(u.Host)-len(u.Port())] + rest
	}
	if !strings.Contains(text, "://") || !strings.EqualFold(text[:strings.Index(text, "://")], u.Scheme) {
		text = "http://" + text
	}
	return text, nil
}

// headers returns the header fields of requests: the token, the fields of --header, and more.
func (c *benchCmd) headers(more []string) (http.Header, error) {
	req := &http.Request{Header: make(http.Header)}
	req.Header.Set("User-Agent", "tidings-bench")
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	if err := setHeaders(req, c.Header); err != nil {
		return nil, err
	}
	return req.Header, setHeaders(req, more) // replaces fields of --header
}

// benchProgress shows the progress on one line of a terminal.
type benchProgress struct {
	w     io.Writer
	shown bool
}

func (p *benchProgress) show(s load.Status) {
	text := fmt.Sprintf("%s for %s", s.Phase, s.Since.Round(time.Second))
	if s.Connected < int64(s.Asked) {
		text += fmt.Sprintf(", %d of %d connected", s.Connected, s.Asked)
	}
	if s.Delivered > 0 {
		text += fmt.Sprintf(", %.0f deliveries/s, p99 %s", s.Delivered, s.P99.Round(10*time.Microsecond))
	}
	_, _ = fmt.Fprintf(p.w, "\r\x1b[K%.79s", text)
	p.shown = true
}

func (p *benchProgress) clear() {
	if p.shown {
		_, _ = fmt.Fprint(p.w, "\r\x1b[K")
	}
}
