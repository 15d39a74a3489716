// Command tidings is the hub, its demo, and the tools of the command line in one program. Without arguments it prints a short manual.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/tidings-sse/tidings/internal/plain"
)

// manual is the output of tidings --help. Kong generates the help of each command.
const manual = `tidings: an event log that browsers can tail, with only HTTP and EventSource.

Commands
  tidings demo          serve a page with a counter, a clock and a load meter
  tidings serve         serve a hub: POST publishes, EventSource subscribes
  tidings config        print the settings of a hub, and where each comes from
  tidings pub TOPIC     publish to a hub: arguments, lines, NDJSON, a log file
  tidings sub TOPIC     subscribe to topics of a hub, or to any event stream
  tidings topics        list the topics of a hub
  tidings presence      list the members at a topic, or follow changes
  tidings stats         print statistics of a hub
  tidings health        exit with 0 if a hub works; for health checks
  tidings streams       list the open streams of a hub; close or revoke them
  tidings revoke        revoke the tokens of a subject, or one token
  tidings console       print the address of a hub's web console, with a token
  tidings token mint    make a token for a hub; also key and explain
  tidings cluster       list and change the hubs that share a log
  tidings bench         put this or another hub under load, and measure it
  tidings log stats DIR inspect a data directory; also check, dump and restored
  tidings completion    complete commands and flags in bash, zsh or fish
  tidings man           print the manual page: tidings man | man -l -

  tidings COMMAND --help   help for one command
  tidings --version        the version

` + addressRule + `
Examples
  tidings demo                              then open http://localhost:3000
  curl -N localhost:3000/events             what that page receives
  tidings sub localhost:3000/events         the same, easier to read
  tidings serve                             then open http://localhost:3000, too
  tidings sub news 'weather/**' --last 10   topics of a hub, from the last 10 on
  tidings pub news hello                    one event

Exit codes
  0     success
  1     failure, such as a hub that cannot be reached
  2     wrong usage
  3     the hub refused
  4, 5  see the help of the command
  130   interrupted, by Ctrl-C or another signal

  tidings serve, demo and pub --follow run until Ctrl-C, and then exit with 0.
`

// The exit codes that all commands share. The help of a command lists its other exit codes.
const (
	exitFailure     = 1
	exitUsage       = 2
	exitRefused     = 3 // by the hub
	exitTimeout     = 4 // --timeout, of pub and sub
	exitInterrupted = 130
)

// stdio is the standard input and output of a command. Tests use buffers.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

// exitError is an error with an exit code. Without err the program ends silently.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func main() {
	var caught *signals
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		caught = catchSignals(os.Stderr)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	p := program{stdio: stdio{in: os.Stdin, out: os.Stdout, err: os.Stderr}, environ: os.Environ(), self: invoked(), signals: caught}
	os.Exit(p.run(ctx, os.Args[1:]))
}

// program is the command line as a value. Tests run the same program as main.
type program struct {
	stdio
	commands
	environ environ
	self    invocation
	signals *signals // nil: the command catches them itself
}

// commands holds the command line after kong has parsed it.
type commands struct {
	Demo     demoCmd     `cmd:"" help:"Serve a page that counts, shows a clock and this machine's load."`
	Serve    serveCmd    `cmd:"" help:"Serve a hub: publish with POST, subscribe with EventSource, lose nothing."`
	Config   configCmd   `cmd:"" help:"Print the settings of a hub, and where each comes from."`
	Pub      pubCmd      `cmd:"" help:"Publish events to a hub: arguments, lines, NDJSON, a growing file."`
	Sub      subCmd      `cmd:"" help:"Subscribe to topics of a hub, or to any event stream: curl for Server-Sent Events."`
	Topics   topicsCmd   `cmd:"" help:"List the topics of a hub."`
	Presence presenceCmd `cmd:"" help:"List the members that are present at a topic, or follow changes."`
	Stats    statsCmd    `cmd:"" help:"Print statistics of a hub: streams, events, the log, refusals."`
	Health   healthCmd   `cmd:"" help:"Ask a hub whether it works, for health checks."`
	Streams  streamsCmd  `cmd:"" help:"List the open streams of a hub; close them, revoke their tokens."`
	Revoke   revokeCmd   `cmd:"" help:"Revoke tokens: all of a subject, or one."`
	Console  consoleCmd  `cmd:"" help:"Print the URL of a hub's web console, with a token for 15 minutes."`
	Token    tokenCmd    `cmd:"" help:"Make keys and tokens for a hub, and explain why a token is refused."`
	Bench    benchCmd    `cmd:"" help:"Put any hub of Server-Sent Events under load, and measure what it delivers."`
	Cluster  clusterCmd  `cmd:"" help:"List and change the hubs that share a log: status, set, remove, reset."`
	Log      logCmd      `cmd:"" help:"Inspect a data directory: stats, check, dump, restored."`

	Completion completionCmd `cmd:"" help:"Print a script that completes commands and flags in bash, zsh or fish."`
	Man        manCmd        `cmd:"" help:"Print the manual page, tidings(1)."`
	Complete   completeCmd   `cmd:"" hidden:"" help:"Print the completions of a command line."`

	Help    helpFlag    `short:"h" help:"Show this help."`
	Version versionFlag `hidden:"" help:"Show the version."`
}

// run runs the command that args name and returns the exit code. It reports errors to the user. A command stops cleanly when ctx is
// cancelled.
func (p *program) run(ctx context.Context, args []string) int {
	switch {
	case len(args) == 0:
		p.complain(manual)
		return exitUsage
	case args[0] == "help": // as with git and go
		args = append(args[1:len(args):len(args)], "--help")
	case args[0] == "version":
		args = []string{"--version"}
	}
	err := p.command(ctx, args)
	if err == nil {
		return 0
	}
	exit, ok := errors.AsType[*exitError](err)
	if !ok {
		exit = &exitError{exitFailure, err}
	}
	if exit.err != nil {
		p.complain(fmt.Sprintf("tidings: %s\n", plain.Text(outputFault(err).Error())))
	}
	return exit.code
}

// complain writes to standard error. If that fails, only the exit code shows the failure.
func (p *program) complain(text string) { _, _ = io.WriteString(p.err, text) }

func (p *program) command(ctx context.Context, args []string) error {
	parser, err := kong.New(&p.commands,
		kong.Name("tidings"),
		kong.Writers(p.out, p.err),
		kong.NoDefaultHelp(), // it would end the process
		kong.Help(help),
		kong.Bind(p.stdio, p.environ, p.self, p.signals),
		kong.BindTo(ctx, (*context.Context)(nil)),
	)
	if err != nil {
		return err
	}
	line, err := parser.Parse(args)
	switch {
	case errors.Is(err, errAnswered):
		return nil
	case err != nil:
		return usageError(err, args)
	}
	if err := checkHubless(line.Selected()); err != nil {
		return err
	}
	return line.Run()
}

// usageError describes a mistake in the command line, with a hint.
func usageError(err error, args []string) error {
	name, many := "tidings", false // many: the command takes any number of arguments
	if parse, ok := errors.AsType[*kong.ParseError](err); ok && parse.Context != nil {
		if node := parse.Context.Selected(); node != nil {
			name = node.FullPath()
			many = slices.ContainsFunc(node.Positional, (*kong.Value).IsCumulative)
		}
	}
	text := plainly(err.Error())
	if unknown := unknownFlag.FindStringSubmatch(text); unknown != nil {
		if hint := flagHint(name, unknown[1], args); hint != "" {
			return &exitError{exitUsage, fmt.Errorf("unknown flag %s\nhint: %s", unknown[1], hint)}
		}
		if len(unknown[1]) == 2 { // kong would suggest any other letter
			text = "unknown flag " + unknown[1]
		}
	}
	switch arg, unexpected := strings.CutPrefix(text, "unexpected argument "); {
	case unexpected && name == "tidings token mint":
		return &exitError{exitUsage, fmt.Errorf("%s\nhint: %s --sub %s", text, name, arg)}
	case unexpected && many:
		return &exitError{exitUsage, fmt.Errorf("%s\nhint: write %s beside the other arguments, without a flag between them", text, arg)}
	}
	if hint := addrHint(name, text); hint != "" {
		return &exitError{exitUsage, fmt.Errorf("%s; --addr says where to listen\nhint: %s", text, hint)}
	}
	return &exitError{exitUsage, fmt.Errorf("%s\nhint: %s --help", text, name)}
}

// errAnswered ends the parsing of a command line after --help or --version has printed its text.
var errAnswered = errors.New("answered")

type helpFlag bool

// BeforeReset prints the help. Kong calls it before it checks the rest of the command line.
func (helpFlag) BeforeReset(line *kong.Context) error {
	if err := line.PrintUsage(false); err != nil {
		return err
	}
	return errAnswered
}

// help prints the manual, or the help of the selected command.
func help(options kong.HelpOptions, line *kong.Context) error {
	if line.Selected() != nil {
		return kong.DefaultHelpPrinter(options, line)
	}
	_, err := io.WriteString(line.Stdout, manual)
	return err
}
