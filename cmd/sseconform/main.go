// Command sseconform runs the conformance cases for Server-Sent Events against a client or a server.
//
//	sseconform client http://localhost:8000     a client behind a driver that runs
//	sseconform client -- node driver.js NAME    a driver to start; the first line that it prints is its URL
//	sseconform server http://localhost:3000/events/news
//
// It prints a table, the cases that are left out, and each sentence of the WHATWG HTML Living Standard that the program breaks, with the cases that
// show it. Standard error shows the progress of a client. The exit code is 1 if a case fails, and 2 if the cases cannot run.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/tidings-sse/tidings/internal/conform"
)

const usage = `Usage: sseconform client [flags] URL-OF-A-DRIVER
       sseconform client [flags] -- COMMAND THAT STARTS A DRIVER
       sseconform server [flags] URL-OF-A-STREAM

A driver is a small HTTP server around a client; docs/conformance.md describes it.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, out, complaints io.Writer) (code int) {
	results, title, err := results(ctx, args, complaints)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err == nil {
		err = title.print(out, results)
	}
	if err != nil {
		fmt.Fprintln(complaints, "sseconform:", err)
		return 2
	}
	for _, r := range results {
		if r.Fault != nil {
			return 1
		}
	}
	return 0
}

// heading is the first line of a report, or the report's other form.
type heading struct {
	text string
	json bool
}

func (h heading) print(out io.Writer, results []conform.Result) error {
	if !h.json {
		return conform.Print(out, h.text, results)
	}
	return json.NewEncoder(out).Encode(map[string]any{"title": h.text, "scores": conform.Scores(results), "leftOut": conform.LeftOut(results), "broken": conform.BrokenSentences(results)})
}

// results runs the cases that the arguments ask for.
func results(ctx context.Context, args []string, complaints io.Writer) ([]conform.Result, heading, error) {
	flags := flag.NewFlagSet("sseconform", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // run reports the errors
	flags.Usage = func() {}
	asJSON := flags.Bool("json", false, "print JSON")
	parallel := flags.Int("parallel", 64, "client: how many cases run at the same time")
	publish := flags.String("publish", "", "server: the `URL` to which a POST publishes an event on the stream; without it the server makes events itself")
	body := flags.String("body", "", "server: the `JSON` that such a POST sends, with {text} for the text of the event; by default the text itself")
	field := flags.String("field", "", "server: the `FIELD` with the text if the data of events is JSON, such as pub.data; by default the data is the text")
	idle := flags.Duration("idle", 30*time.Second, "server: the longest silence of a quiet stream")
	header := http.Header{}
	flags.Func("header", "server: a header field of all requests, such as 'Authorization: Bearer x'", func(s string) error {
		name, value, ok := strings.Cut(s, ":")
		if !ok {
			return errors.New("a header field is NAME: VALUE")
		}
		header.Add(name, strings.TrimSpace(value))
		return nil
	})
	what, err := parse(flags, args)
	if errors.Is(err, flag.ErrHelp) {
		flags.SetOutput(complaints)
		fmt.Fprint(complaints, usage, "\nFlags:\n")
		flags.PrintDefaults()
	}
	switch {
	case err != nil:
		return nil, heading{}, err
	case *parallel < 1:
		return nil, heading{}, fmt.Errorf("-parallel is %d; at least one case runs at a time", *parallel)
	case *idle <= 0:
		return nil, heading{}, fmt.Errorf("-idle is %v; a stream that is never silent cannot be tested, so it must be more than 0", *idle)
	case what == "client" && flags.NArg() == 1 && strings.HasPrefix(flags.Arg(0), "http"):
		return client(ctx, flags.Arg(0), *parallel, *asJSON, complaints)
	case what == "client":
		waiting, cancel := context.WithTimeoutCause(ctx, startTime, fmt.Errorf("it was silent for %v", startTime))
		defer cancel()
		url, stop, err := conform.Start(waiting, "", flags.Args(), complaints)
		if err != nil {
			return nil, heading{}, err
		}
		defer stop()
		return client(ctx, url, *parallel, *asJSON, complaints)
	default:
		server := conform.Server{URL: flags.Arg(0), Publish: *publish, Body: *body, Field: *field, Header: header, Idle: *idle}
		results, err := conform.RunServer(ctx, server)
		return results, heading{server.URL, *asJSON}, err
	}
}

// startTime is how long a driver may take until it prints its URL. It may be compiled first.
const startTime = time.Minute

// parse parses a command line and returns its first word, client or server. Each of them takes only its own flags.
func parse(flags *flag.FlagSet, args []string) (what string, err error) {
	const help = "; sseconform -help shows the usage"
	switch {
	case len(args) == 0:
		return "", errors.New("say client or server, and where it is" + help)
	case slices.Contains([]string{"-h", "-help", "--help", "help"}, args[0]):
		return "", flag.ErrHelp
	case args[0] != "client" && args[0] != "server":
		return "", fmt.Errorf("%q is neither client nor server%s", args[0], help)
	}
	what = args[0]
	if err := flags.Parse(args[1:]); err != nil {
		return "", fmt.Errorf("%w%s", err, help)
	}
	flags.Visit(func(f *flag.Flag) {
		if its, _, ok := strings.Cut(f.Usage, ": "); ok && its != what {
			err = fmt.Errorf("-%s is a flag of sseconform %s%s", f.Name, its, help)
		}
	})
	switch {
	case err != nil:
		return "", err
	case flags.NArg() == 0:
		return "", fmt.Errorf("say where the %s is%s", what, help)
	case what == "server" && flags.NArg() > 1:
		return "", fmt.Errorf("sseconform server tests one URL, and %q is another%s", flags.Arg(1), help)
	}
	return what, nil
}

func client(ctx context.Context, url string, parallel int, asJSON bool, complaints io.Writer) ([]conform.Result, heading, error) {
	c, results, err := conform.RunClient(ctx, url, conform.Options{Parallel: parallel, Progress: func(line string) {
		fmt.Fprintln(complaints, "sseconform:", line)
	}})
	return results, heading{strings.TrimSpace(c.Name + " " + c.Version), asJSON}, err
}
