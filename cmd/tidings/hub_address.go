package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/tidings-sse/tidings/internal/address"
	"github.com/tidings-sse/tidings/sse"
)

// addressRule is the part of the manual about addresses and topics. [hubFlags.take] and [address.Is] implement it.
const addressRule = `Hub, URL and topic
  A first argument with a scheme (https://…, unix:PATH) or a port (host:3000,
  :3000), and localhost, is the URL of a hub or of a stream. Topics follow it:

    tidings pub https://hub.example news hello
    tidings pub :3000/events/news hello
    tidings sub localhost:3001 news 'weather/**'
    tidings topics unix:/run/tidings.sock

  Every other argument is a topic: news, news.json, example.com/news. --topic
  takes topics that look like URLs:

    tidings pub --topic https://example.com/books/1 hello

  Without a URL the hub is that of --hub, of the variable TIDINGS_HUB, or
  http://localhost:3000, in this order. All three take the same forms.
`

// hubFlags say which hub to use and how to reach it. All commands that send requests to a hub embed them.
type hubFlags struct {
	Hub      string `group:"Which hub" env:"TIDINGS_HUB" placeholder:"URL" help:"The hub, such as https://hub.example, localhost:3000, :3000 or unix:PATH; http://localhost:3000 by default."`
	Token    string `group:"Which hub" env:"TIDINGS_TOKEN" placeholder:"TOKEN" help:"The token to send."`
	CA       string `group:"Which hub" name:"ca" type:"path" placeholder:"FILE" help:"Also trust the certificate authorities in FILE (PEM)."`
	Insecure bool   `group:"Which hub" help:"Accept any certificate. An attacker on the way to the server can then read and change everything."`
}

// hubVariable is the environment variable for --hub.
const hubVariable = "TIDINGS_HUB"

// take takes the hub from the arguments, if the first one is an address. It returns the topics in the address and the remaining arguments.
func (f *hubFlags) take(args []string) (topics, rest []string, err error) {
	if len(args) == 0 || !address.Is(args[0]) {
		return nil, args, nil
	}
	if err := f.oneHub(args[0]); err != nil {
		return nil, nil, err
	}
	h, topics, err := address.ParseTopics(args[0])
	if err != nil {
		return nil, nil, fmt.Errorf("%w\nhint: --topic takes a topic that looks like a URL", err)
	}
	f.Hub = h.Reachable()
	return topics, args[1:], nil
}

// oneHub refuses an address as an argument if --hub names a hub, too. The environment variable is only a default.
func (f *hubFlags) oneHub(arg string) error {
	if f.Hub != "" && f.Hub != os.Getenv(hubVariable) {
		return fmt.Errorf("there are two hubs: --hub %s, and %s\nhint: leave one of them out; --topic takes a topic that looks like a URL", f.Hub, arg)
	}
	return nil
}

// checkTopics refuses arguments that are not topics by addressRule.
func checkTopics(args ...string) error {
	for _, arg := range args {
		switch {
		case arg == "":
			return errors.New("an argument is empty, so it names no topic")
		case address.IsPath(arg):
			return fmt.Errorf("%q is a path; write unix:%s for a hub that listens on this socket\nhint: --topic takes a topic of this name", arg, arg)
		case strings.HasPrefix(arg, "/"):
			return fmt.Errorf("%q is a path without a host\nhint: write localhost:3000%s, with the host of your hub, or unix:%[2]s for a socket; --topic takes a topic of this name", arg, arg)
		case address.Is(arg):
			return fmt.Errorf("%q looks like a URL; the URL of a hub comes first, and --topic takes a topic of this name", arg)
		}
	}
	return nil
}

// checkHubless refuses an address as the first argument of a command that uses no hub, because files rarely have such names.
func checkHubless(command *kong.Node) error {
	speaks := slices.ContainsFunc(command.Flags, func(f *kong.Flag) bool { return f.Name == "hub" })
	if speaks || command.Hidden || len(command.Positional) == 0 { // scripts run the hidden command
		return nil
	}
	arg := fmt.Sprint(command.Positional[0].Target.Interface())
	if !address.Is(arg) {
		return nil
	}
	return &exitError{exitUsage, fmt.Errorf("%q looks like the URL of a hub, and %s uses no hub; write ./%[1]s for a file of this name\nhint: %[2]s --help",
		arg, command.FullPath())}
}

// addrHint suggests --addr if a command that listens got an address as an argument. text is kong's error; the hint is "" for other errors.
func addrHint(command, text string) string {
	arg, ok := strings.CutPrefix(text, "unexpected argument ")
	if !ok || !address.Is(arg) || command != "tidings serve" && command != "tidings demo" && command != "tidings config" {
		return ""
	}
	h, err := address.ParseHub(arg)
	if err != nil {
		return ""
	}
	addr := h.String()
	if h.Socket == "" {
		addr = h.URL.Host
	}
	return command + " --addr " + addr
}

// hub returns the address of the hub.
func (f *hubFlags) hub() (address.Hub, error) {
	h, err := address.ParseHub(f.Hub)
	if err == nil {
		return h, nil
	}
	from := "--hub"
	if f.Hub == os.Getenv(hubVariable) {
		from = hubVariable
	}
	if stream, topics, no := address.ParseTopics(strings.TrimRight(f.Hub, "/")); no == nil && len(topics) > 0 {
		return h, fmt.Errorf("%s: %w\nhint: give the hub as %s, and topics as arguments or by --topic", from, err, stream)
	}
	return h, fmt.Errorf("%s: %w", from, err)
}

// patienceWith returns the backoff for a host. It is short for this machine: its user may be restarting the hub, and one client cannot
// overload it.
func patienceWith(host string) sse.Backoff {
	if loopback(cmp.Or(host, "localhost")) {
		return sse.Backoff{Max: 2 * time.Second}
	}
	return sse.Backoff{}
}
