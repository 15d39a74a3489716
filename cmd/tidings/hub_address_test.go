package main

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// model is the command line as kong sees it.
func model(t *testing.T) *kong.Application {
	t.Helper()
	return kong.Must(&commands{}, kong.Name("tidings"), kong.NoDefaultHelp(), kong.BindTo(t.Context(), (*context.Context)(nil))).Model
}

// leaves returns the commands without subcommands.
func leaves(node *kong.Node) []*kong.Node {
	switch {
	case node.Hidden:
		return nil
	case len(node.Children) == 0:
		return []*kong.Node{node}
	}
	var all []*kong.Node
	for _, child := range node.Children {
		all = append(all, leaves(child)...)
	}
	return all
}

func hasFlag(node *kong.Node, name string) bool {
	return slices.ContainsFunc(node.Flags, func(f *kong.Flag) bool { return f.Name == name })
}

// topicsOf returns the names of a hub's topics.
func topicsOf(t *testing.T, hub string) []string {
	t.Helper()
	resp, text := ask(t, http.DefaultClient, http.MethodGet, hub+"/api/v1/topics", "")
	var list struct{ Topics []struct{ Topic string } }
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		t.Fatalf("%s: %v in %s", resp.Status, err, text)
	}
	var names []string
	for _, topic := range list.Topics {
		names = append(names, topic.Topic)
	}
	return names
}

// TestEveryCommandAcceptsTheSameAddresses runs each command that uses a hub with the same forms of an address. Each command
// must reach the hub or give a hint, and must not use the address as a topic.
func TestEveryCommandAcceptsTheSameAddresses(t *testing.T) {
	s := startServe(t, nil)
	host := strings.TrimPrefix(s.url, "http://")
	_, port, err := net.SplitHostPort(host)
	if err != nil {
		t.Fatal(err)
	}
	if code, _, complaint := say(t, "pub", s.url, "news", "first"); code != 0 {
		t.Fatalf("exit code %d: %s", code, complaint)
	}
	// The arguments after the address, and the output of a command that has reached the hub.
	rest := map[string][]string{
		"tidings pub":    {"news", "hello"},
		"tidings sub":    {"news", "--last", "1", "-n", "1", "-f", "ndjson"},
		"tidings topics": {},
		"tidings bench":  {"--subscribers", "1", "--rate", "20", "--duration", "50ms", "--warm-up", "0s", "--topic", "news"},
	}
	want := map[string]string{
		"tidings pub": "-", "tidings sub": `"topic":"news"`, "tidings topics": "news", "tidings bench": "1 of 1 connected",
	}
	addresses := []string{s.url, s.url + "/", s.url + "/events", strings.ToUpper(s.url[:4]) + s.url[4:], host, host + "/", ":" + port, "127.0.0.1:" + port}
	for _, command := range leaves(model(t).Node) {
		path := command.FullPath()
		if !hasFlag(command, "hub") {
			continue
		}
		after, known := rest[path]
		if !known {
			continue // commands of administration have tests of their own
		}
		for _, address := range addresses {
			for _, form := range [][]string{slices.Concat([]string{address}, after), slices.Concat(after, []string{"--hub", address})} {
				args := append(strings.Fields(path)[1:], form...)
				code, out, complaint := say(t, args...)
				if code != 0 || !strings.Contains(out, want[path]) || complaint != "" {
					t.Errorf("tidings %q: exit code %d, %q, output %q", args, code, complaint, out)
				}
			}
		}
		delete(rest, path)
	}
	if len(rest) > 0 {
		t.Errorf("there are no commands %v", rest)
	}
	if got := topicsOf(t, s.url); !slices.Equal(got, []string{"news"}) {
		t.Errorf("the hub has the topics %q", got)
	}
}

// TestAddressIsNeverMistakenForAFileOrToken, nor for a pattern.
func TestAddressIsNeverMistakenForAFileOrToken(t *testing.T) {
	t.Chdir(t.TempDir())
	hub := nowhere(t)
	for _, command := range leaves(model(t).Node) {
		if hasFlag(command, "hub") {
			continue
		}
		for _, address := range []string{hub, "localhost:3001", ":3001", "unix:x.sock"} {
			args := append(strings.Fields(command.FullPath())[1:], address)
			code, out, complaint := say(t, args...)
			if code != exitUsage || out != "" || !strings.Contains(complaint, "hint: tidings ") || !strings.Contains(complaint, address) {
				t.Errorf("tidings %q: exit code %d, output %q, %s", args, code, out, complaint)
			}
		}
	}
	if left, err := os.ReadDir("."); err != nil || len(left) > 0 {
		t.Errorf("there are files now: %v, %v", left, err)
	}
}

// TestPubNeverStoresATopicThatLooksLikeAURL: "pub http://localhost:3000/events/news hello" stored a topic of that name.
func TestPubNeverStoresATopicThatLooksLikeAURL(t *testing.T) {
	s := startServe(t, nil)
	t.Setenv(hubVariable, s.url)
	for _, args := range [][]string{
		{"https://example.com/books/1?x=y", "hello"},
		{"ftp://example.com/a", "hello"},
		{"http:/localhost:3000/events/news", "hello"},
		{"localhost:abc", "hello"},
		{"unix:", "hello"},
		{"/events/news", "hello"},
		{"", "hello"},
		{s.url, "https://example.com/b", "hello"},
		{s.url, "/b", "hello"},
		{"news", "hello", "--also", "https://example.com/c"},
		{"--topic", "links", "https://example.com/d"},
		{s.url + "/events/a%2Fb", "hello"},
		{s.url + "/events/a/", "hello"},
		{s.url + "/events/news?type=x", "hello"},
		{s.url + "/events/news", "--hub", "localhost:3001", "hello"},
	} {
		code, out, complaint := say(t, append([]string{"pub"}, args...)...)
		if code != exitUsage || out != "" || !strings.HasPrefix(complaint, "tidings: ") {
			t.Errorf("pub %q: exit code %d, output %q, %q", args, code, out, complaint)
		}
	}
	if got := topicsOf(t, s.url); len(got) > 0 {
		t.Errorf("the hub has the topics %q", got)
	}
}

// TestHubURLWithATopicIsRefused: --hub http://localhost:3000/events/aa published to the topic aa/events, and so did TIDINGS_HUB.
func TestHubURLWithATopicIsRefused(t *testing.T) {
	s := startServe(t, nil)
	for _, command := range hubCommands {
		for _, path := range []string{"/events/aa", "/events/aa/b/", "/events/events", "/events?topic=aa"} {
			args := append(slices.Clone(command), "--hub", s.url+path)
			code, out, complaint := say(t, args...)
			if code != exitUsage || out != "" || !strings.HasPrefix(complaint, "tidings: --hub: ") || !strings.Contains(complaint, "hint: give the hub as "+s.url+",") {
				t.Errorf("%q: exit code %d, output %q, %s", args, code, out, complaint)
			}
		}
	}
	t.Setenv(hubVariable, s.url+"/events/aa")
	for _, command := range append(slices.Clone(hubCommands), []string{"stats"}, []string{"streams"}, []string{"revoke", "--sub", "a"}) {
		code, out, complaint := say(t, command...)
		if code != exitUsage || out != "" || !strings.HasPrefix(complaint, "tidings: TIDINGS_HUB: ") || !strings.Contains(complaint, s.url) {
			t.Errorf("%q: exit code %d, output %q, %s", command, code, out, complaint)
		}
	}
	if got := topicsOf(t, s.url); len(got) > 0 {
		t.Errorf("the hub has the topics %q", got)
	}
}

func TestPubAcceptsTheURLOfAStream(t *testing.T) {
	s := startServe(t, nil)
	for _, args := range [][]string{
		{s.url + "/events/news", "hello"},
		{s.url + "/events?topic=a%20b", "hello", "world"},
		{strings.TrimPrefix(s.url, "http://") + "/events/c/d", "hello"},
		{"news.json", "hello", "--hub", s.url},
		{"example.com/news", "hello", "--hub", s.url},
		{"urn:isbn:3", "http://localhost:3000", "--hub", s.url},
		{"--topic", "https://example.com/books/1", "hello", "--hub", s.url},
		{"--topic", "localhost:3000", "--topic", "/slash", "hello", "--hub", s.url},
	} {
		if code, out, complaint := say(t, append([]string{"pub"}, args...)...); code != 0 || out == "" || complaint != "" {
			t.Errorf("pub %q: exit code %d, output %q, %s", args, code, out, complaint)
		}
	}
	want := []string{"/slash", "a b", "c/d", "example.com/news", "https://example.com/books/1", "localhost:3000", "news", "news.json", "urn:isbn:3"}
	if got := topicsOf(t, s.url); !slices.Equal(got, want) {
		t.Errorf("the hub has the topics %q, want %q", got, want)
	}
	if _, out, _ := say(t, "topics", "--topic", "https://example.com/**", "--hub", s.url); out != "https://example.com/books/1\n" {
		t.Errorf("the topics that match a URL are %q", out)
	}
	if code, out, complaint := say(t, "sub", s.url, "--topic", "localhost:3000", "--last=1", "-n1", "-fdata"); code != 0 || out != "hello\n" {
		t.Errorf("the topic localhost:3000: exit code %d, output %q, %s", code, out, complaint)
	}
}

func TestCommandsReachAHubOnAUnixSocket(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	startServe(t, nil, "--addr", "unix:"+filepath.Join(dir, "x.sock"))
	for _, args := range [][]string{
		{"pub", "unix:x.sock", "news", "hello"},
		{"pub", "news", "hello", "--hub", "unix:" + filepath.Join(dir, "x.sock")},
		{"sub", "unix:x.sock", "news", "--last=1", "-n1", "--state", "state"},
		{"topics", "unix:x.sock"},
		{"bench", "unix:x.sock", "--subscribers=1", "--duration=50ms", "--warm-up=0s"},
	} {
		if code, out, complaint := say(t, args...); code != 0 || out == "" || complaint != "" {
			t.Errorf("%q: exit code %d, output %q, %s", args, code, out, complaint)
		}
	}
	code, _, complaint := say(t, "topics", "unix:missing.sock")
	if code != exitFailure || !strings.Contains(complaint, "unix:missing.sock") || !strings.Contains(complaint, hubHint) {
		t.Errorf("exit code %d, %s", code, complaint)
	}
}

// TestPathOfASocketSaysToWriteUnix: --hub ./u.sock looked for a host called ".", and an argument ./u.sock was a topic.
func TestPathOfASocketSaysToWriteUnix(t *testing.T) {
	for path, args := range map[string][]string{
		"./u.sock":      {"topics", "--hub", "./u.sock"},
		"u.sock":        {"stats", "--hub", "u.sock"},
		"../run/u.sock": {"topics", "../run/u.sock"},
		"./u":           {"sub", "./u", "news"},
		"/run/u.sock":   {"pub", "/run/u.sock", "news", "hello"},
		"./hub.sock":    {"serve", "--memory", "--addr", "./hub.sock"},
		"/run/hub":      {"serve", "--memory", "--admin-addr", "/run/hub"},
	} {
		code, out, complaint := say(t, args...)
		if code != exitUsage || out != "" || !strings.Contains(complaint, "is a path") || !strings.Contains(complaint, "unix:"+path) {
			t.Errorf("%q: exit code %d, output %q, %s", args, code, out, complaint)
		}
	}
}

// TestAShortFlagMeansTheSameInEveryCommand: -t meant --type, --topics and --topic, and -k meant --key and --keep-going.
func TestAShortFlagMeansTheSameInEveryCommand(t *testing.T) {
	meaning := map[rune]string{}
	for _, command := range leaves(model(t).Node) {
		for _, flag := range command.Flags {
			if flag.Short == 0 {
				continue
			}
			if other, ok := meaning[flag.Short]; ok && other != flag.Name {
				t.Errorf("-%c is --%s, and --%s in %s", flag.Short, other, flag.Name, command.FullPath())
			}
			meaning[flag.Short] = flag.Name
		}
	}
	if len(meaning) < 5 {
		t.Errorf("only %d short flags were found", len(meaning))
	}
}

// TestEveryHubCommandHasTheSameConnectionFlags: some commands did not have the flags for certificates.
func TestEveryHubCommandHasTheSameConnectionFlags(t *testing.T) {
	for _, command := range leaves(model(t).Node) {
		if !hasFlag(command, "hub") {
			continue
		}
		for _, name := range []string{"token", "ca", "insecure"} {
			if !hasFlag(command, name) {
				t.Errorf("%s has no --%s", command.FullPath(), name)
			}
		}
	}
}
