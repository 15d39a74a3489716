package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tidings-sse/tidings/hub"
	"github.com/tidings-sse/tidings/internal/wire"
)

// streamsCmd is the command line of tidings streams.
type streamsCmd struct {
	IDs []string `arg:"" optional:"" name:"id" help:"Only the streams with these IDs. The hub's URL may come first."`

	hubFlags `embed:""`

	Topic   string `group:"Which streams" placeholder:"PATTERN" help:"Streams subscribed to this topic, or to a topic that this pattern matches."`
	Sub     string `group:"Which streams" placeholder:"NAME" help:"Streams whose token has the subject NAME (sub)."`
	JTI     string `group:"Which streams" name:"jti" placeholder:"ID" help:"Streams of the token with this ID (jti)."`
	Address string `group:"Which streams" placeholder:"IP" help:"Streams from this address, or from a network such as 192.0.2.0/24."`
	Lag     int    `group:"Which streams" placeholder:"N" help:"Streams that are N or more events of the log behind."`
	All     bool   `group:"Which streams" help:"All streams, for --close and --revoke."`
	Count   int    `group:"Which streams" short:"n" placeholder:"N" help:"List the N oldest streams; 0 for all."`

	Close  bool   `group:"What to do" xor:"do" help:"Close the streams. Their clients may reconnect, and miss nothing."`
	Revoke bool   `group:"What to do" xor:"do" help:"Revoke the tokens of the streams, each by its ID (jti). The streams end, and the tokens are refused from now on."`
	Format string `group:"What to do" short:"f" enum:"auto,table,ndjson" default:"auto" placeholder:"FORMAT" help:"table or ndjson; by default a table on a terminal, else NDJSON."`
}

// Help is the manual.
func (*streamsCmd) Help() string {
	return `
Lists the open streams, the oldest first: the subject, the topics, the start, the address, the form, and how many events of the log
the stream is behind. The form of a compressed stream ends with +gzip. --close and --revoke end the streams.

The client of a closed stream gets a last checkpoint and a jittered time to reconnect, and misses nothing. To keep a client out,
revoke its token.

A hub with keys requires a token with admin: true. If administration has its own address (--admin-addr), give that address instead.

Examples:

    tidings streams
    tidings streams --topic 'news/**' --lag 1000
    tidings streams --sub alice --revoke
    tidings streams 1795826166000000 --close`
}

// Run lists, closes or revokes the streams.
func (c *streamsCmd) Run(ctx context.Context, std stdio) error {
	topics, ids, err := c.take(c.IDs)
	if err == nil {
		err = c.validate(topics, ids)
	}
	if err != nil {
		return &exitError{exitUsage, err}
	}
	client, err := c.connect("streams")
	if err != nil {
		return &exitError{exitUsage, err}
	}
	switch {
	case c.Close:
		return c.closeThem(ctx, client, ids, std.out)
	case c.Revoke:
		return c.revokeThem(ctx, client, ids, std)
	}
	print, flush := c.printer(std.out)
	n := 0
	err = c.each(ctx, client, ids, func(s *hub.Subscriber) error {
		n++
		return print(s)
	})
	if err != nil {
		return err
	}
	if n == 0 {
		text := "no stream is open"
		if len(c.filter())+len(ids) > 0 {
			text = "no open stream matches"
		}
		_, _ = fmt.Fprintln(std.err, "tidings streams: "+text)
	}
	return flush()
}

func (c *streamsCmd) validate(topics, ids []string) error {
	if len(topics) > 0 {
		return fmt.Errorf("the URL of a hub contains no topic; --topic %s selects the streams that subscribe to it", topics[0])
	}
	for _, id := range ids {
		if n, err := strconv.ParseInt(id, 10, 64); err != nil || n <= 0 {
			return fmt.Errorf("%q is not the ID of a stream, which is a number; --topic selects streams by topic", id)
		}
	}
	filters := len(c.filter()) > 0
	switch {
	case c.Lag < 0:
		return errors.New("--lag: a number of events cannot be negative")
	case c.Count < 0:
		return errors.New("-n: a number of streams cannot be negative")
	case len(ids) > 0 && filters:
		return errors.New("give either IDs, or --topic, --sub, --jti, --address and --lag, which select streams")
	case c.All && (len(ids) > 0 || filters):
		return errors.New("--all selects all streams; leave out either --all, or the IDs and the other flags that select streams")
	case (c.Close || c.Revoke) && c.Count > 0:
		return errors.New("-n is for the list; --close and --revoke end all streams that match")
	case (c.Close || c.Revoke) && len(ids) == 0 && !filters && !c.All:
		return errWhich
	}
	return nil
}

// filter returns the parameters that select streams.
func (c *streamsCmd) filter() url.Values {
	q := url.Values{}
	for name, value := range map[string]string{
		wire.ParamTopic: c.Topic, wire.ParamSubject: c.Sub, wire.ParamToken: c.JTI, wire.ParamAddress: c.Address,
	} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if c.Lag > 0 {
		q.Set(wire.ParamLag, strconv.Itoa(c.Lag))
	}
	return q
}

// The path of the list of streams, and its name in the answer.
const (
	streamsPath = "api/v1/subscribers"
	streamsList = "subscribers"
)

// each calls f with each selected stream, the oldest first.
func (c *streamsCmd) each(ctx context.Context, client *hubClient, ids []string, f func(*hub.Subscriber) error) error {
	if len(ids) > 0 {
		return c.eachOf(ctx, client, ids, f)
	}
	for sub, err := range pages[hub.Subscriber](ctx, client, streamsPath, streamsList, c.filter(), c.Count) {
		if err == nil {
			err = f(&sub)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// eachOf calls f with the streams of some IDs. The list has no lookup by ID, so it asks for the first stream after the ID minus one.
func (c *streamsCmd) eachOf(ctx context.Context, client *hubClient, ids []string, f func(*hub.Subscriber) error) error {
	for _, id := range ids {
		n, err := strconv.ParseInt(id, 10, 64)
		if err != nil {
			return err
		}
		found, _, err := fetchPage[hub.Subscriber](ctx, client, streamsPath, streamsList, url.Values{wire.ParamAfter: {strconv.FormatInt(n-1, 10)}, wire.ParamLimit: {"1"}})
		if err != nil {
			return err
		}
		if len(found) == 0 || found[0].ID != strconv.FormatInt(n, 10) {
			return notOpen(id)
		}
		if err := f(&found[0]); err != nil {
			return err
		}
	}
	return nil
}

func notOpen(id string) error {
	return fmt.Errorf("no open stream has the ID %s; it may have ended", id)
}

// closeThem closes the selected streams.
func (c *streamsCmd) closeThem(ctx context.Context, client *hubClient, ids []string, out io.Writer) error {
	var sum struct {
		Closed int `json:"closed"`
	}
	ask := func(path string, query url.Values) error {
		var answer struct {
			Closed int `json:"closed"`
		}
		err := client.ask(ctx, http.MethodDelete, path, query, nil, &answer)
		sum.Closed += answer.Closed
		return err
	}
	var err error
	for _, id := range ids {
		err = errors.Join(err, ask(streamsPath+"/"+id, nil))
	}
	if len(ids) == 0 {
		query := c.filter()
		if c.All {
			query.Set(wire.ParamAll, "1")
		}
		err = ask(streamsPath, query)
	}
	if err != nil && sum.Closed == 0 {
		return err
	}
	return errors.Join(err, c.tell(out, fmt.Sprintf("closed %s; clients may reconnect, and miss nothing", number(sum.Closed, "stream")), sum))
}

// revokeThem revokes the tokens of the selected streams. For a token without an ID, which cannot be revoked alone, the error says what to do
// instead.
func (c *streamsCmd) revokeThem(ctx context.Context, client *hubClient, ids []string, std stdio) error {
	var tokens []string
	var without error
	err := c.each(ctx, client, ids, func(s *hub.Subscriber) error {
		switch {
		case s.Token != "" && !slices.Contains(tokens, s.Token):
			tokens = append(tokens, s.Token)
		case s.Token == "" && s.Subject != "":
			without = errors.Join(without, fmt.Errorf("stream %s: its token has no ID\nhint: tidings revoke --sub %s revokes all tokens of this subject", s.ID, visible(s.Subject)))
		case s.Token == "":
			without = errors.Join(without, fmt.Errorf("stream %s: it has no token to revoke\nhint: tidings streams %[1]s --close ends it", s.ID))
		}
		return nil
	})
	if err != nil {
		return err
	}
	done := struct {
		Revoked []string `json:"revoked"`
	}{[]string{}}
	for _, token := range tokens {
		if _, err := revoke(ctx, client, revocation{ID: token}); err != nil {
			return errors.Join(fmt.Errorf("after %s: %w", number(len(done.Revoked), "token"), err), without)
		}
		done.Revoked = append(done.Revoked, token)
	}
	return errors.Join(c.tell(std.out, "revoked "+number(len(tokens), "token")+"; their streams end, and the tokens are refused from now on", done), without)
}

// tell reports the result, as text on a terminal and as JSON elsewhere.
func (c *streamsCmd) tell(out io.Writer, words string, value any) error {
	if c.Format == "table" || c.Format == "auto" && isTerminal(out) {
		_, err := fmt.Fprintln(out, words)
		return err
	}
	return json.NewEncoder(out).Encode(value)
}

// number formats a number with its noun, such as 1 stream or 2 streams.
func number[N int | int64 | uint64](n N, of string) string {
	if n != 1 {
		of += "s"
	}
	return fmt.Sprintf("%d %s", n, of)
}

// printer returns a function that prints a stream, and a function to call after the last one.
func (c *streamsCmd) printer(out io.Writer) (print func(*hub.Subscriber) error, flush func() error) {
	if c.Format == "ndjson" || c.Format == "auto" && !isTerminal(out) {
		enc := json.NewEncoder(out)
		enc.SetEscapeHTML(false)
		return func(s *hub.Subscriber) error { return enc.Encode(s) }, func() error { return nil }
	}
	w, begun := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0), false
	return func(s *hub.Subscriber) error {
		if !begun {
			begun = true
			_, _ = fmt.Fprint(w, "ID\tOPEN FOR\tSTATE\tFORM\tBEHIND\tWHO\tFROM\tTOPICS\n") // in memory
		}
		topics := strings.Join(s.Topics, " ")
		if s.More > 0 {
			topics += fmt.Sprintf(" and %d more", s.More)
		}
		_, err := fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\n",
			s.ID, shortly(time.Since(s.Since)), s.Stage, s.Form, s.Lag, inLine.Replace(visible(cmp.Or(s.Subject, "-"))), s.Address, visible(topics))
		return err
	}, w.Flush
}
