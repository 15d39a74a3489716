//go:build programs

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// notRun gives the reason why a test cannot run the commands of a block, by the first line of the block without its comment.
var notRun = map[string]string{
	"systemctl stop tidings": "it restores a service of the system from a backup",
	"systemctl stop tidings && systemctl enable --now tidings.socket && systemctl start tidings": "it changes a service of the system",
	"systemctl reload tidings":                                       "it changes a service of the system",
	"pkill -USR2 -f '^[^ ]*tidings serve'":                           "it restarts every hub of the machine; TestRestartsUnderLoadLoseNothing does the same",
	"systemctl enable --now tidings":                                 "it starts a service of the system",
	"tar -xzf tidings_VERSION_linux_amd64.tar.gz":                    "it needs a release, which make try-packages tries",
	"tidings token key token.key && tidings cluster key cluster.key": "it needs Kubernetes",
	"tidings token key /etc/tidings/key && chgrp tidings /etc/tidings/key && chmod 640 /etc/tidings/key": "it changes a service of the system",
	"podman load -i tidings_VERSION_oci.tar": "it needs a release and a container engine",
	"go run ./cmd/sseconform server -publish http://localhost:3000/events/news http://localhost:3000/events/news": "it waits for a heartbeat; TestHubPassesEveryCaseOfServers runs the same cases",
	"go run ./cmd/sseconform client http://localhost:8000":                                                        "it needs a driver of the reader",
	"go run ./cmd/sseconform client -- python3 driver.py":                                                         "it needs a driver of the reader",
	"tidings serve --memory --h2c --max-connections 1000000 &":                                                    "it opens 100,000 streams, and measures",
	`npm install "./$(npm pack --silent ../tidings/js)"`:                                                          "it needs a clone beside it; js/test/files.test.js packs and installs the same",
	"make chaos": "it takes hours, and the tests of module chaos run the same program",
	"go install github.com/centrifugal/centrifugo/v6@latest": "it needs another hub",
}

// before are commands that the test runs before a block, by the beginning of the block's first line, because the page assumes them.
var before = map[string]string{
	"tidings bench ":                               "tidings serve --memory # a hub without a key again",
	"tidings log stats data":                       "tidings serve --data data\ntidings pub news/sports 'goal!'\n# and end it:\ntidings serve --memory",
	"export TIDINGS_TOKEN=$(tidings token mint --": "test -f tidings.key || tidings token key\ntidings serve --key-file tidings.key",
}

// insteadOf replaces the parts of commands that a reader replaces.
var insteadOf = strings.NewReplacer(
	"TIDINGS_TOKEN=... ", `TIDINGS_TOKEN="$(cat token)" `,
	"https://hub.example", "http://localhost:3000",
	"tidings bench --subscribers", "tidings bench --duration 1s --subscribers",
	"tidings serve", "tidings serve --addr localhost:0",
	"tidings demo", "tidings demo --addr localhost:0",
)

// TestCommandsInTheDocumentationRun runs them in order, as a reader would type them, in a home directory of its own. A command that serves
// or subscribes keeps running while the next ones run.
func TestCommandsInTheDocumentationRun(t *testing.T) {
	for _, program := range []string{"bash", "curl", "make", "go", "openssl"} {
		commandPath(t, program)
	}
	pages, skipped := map[string][]fragment{}, 0
	for _, f := range fragments(t) {
		if f.language == "sh" {
			pages[f.page] = append(pages[f.page], f)
		}
	}
	for page, blocks := range pages {
		for _, f := range blocks {
			if notRun[f.command()] != "" {
				skipped++
			}
		}
		t.Run(filepath.Base(page), func(t *testing.T) {
			t.Parallel()
			r := newReader(t)
			for _, f := range blocks {
				r.read(f)
			}
			r.serve("")
		})
	}
	if skipped != len(notRun) {
		t.Errorf("%d blocks are not run, and the list has %d", skipped, len(notRun))
	}
}

// TestWrongCommandInTheDocumentationIsFound shows that the test above can fail.
func TestWrongCommandInTheDocumentationIsFound(t *testing.T) {
	r := newReader(t)
	r.serve("tidings serve --addr localhost:0 --memory")
	defer r.serve("")
	events := r.url + "/events"
	for _, wrong := range []string{
		"curl -d x '" + events + "/a/**'", "curl '" + events + "/news?poll=1&topc=x'", "curl -H 'Authorization: Bearer x' -X DELETE " + events,
		"tidings tpoics", "tidings sub --nonsense", "false", "nothing",
	} {
		if err := r.run(wrong); err == nil {
			t.Errorf("the test accepts %s", wrong)
		}
	}
	if err := r.run("curl -d x " + events + "/news"); err != nil {
		t.Error(err)
	}
}

// reader types the commands of a page.
type reader struct {
	*testing.T
	dir string // the working directory and home directory
	env []string
	in  io.Writer     // the input of the shell for commands that end by themselves
	out *bufio.Reader // its output

	url     string // of the hub that was started last
	hub     *running
	follows []*running
}

// running is a command that runs until Ctrl-C, such as tidings serve.
type running struct {
	command string
	cmd     *exec.Cmd
	out     *awaited // both outputs
	ended   chan error
}

func newReader(t *testing.T) *reader {
	dir := t.TempDir()
	cache, err := exec.Command("go", "env", "GOCACHE", "GOMODCACHE", "GOPATH").Output()
	if err != nil {
		t.Fatal(err)
	}
	paths := strings.Fields(string(cache))
	r := &reader{T: t, dir: dir, env: append(os.Environ(),
		"HOME="+dir, "GOCACHE="+paths[0], "GOMODCACHE="+paths[1], "GOPATH="+paths[2], "GOBIN="+filepath.Join(dir, "bin"), "GORACE=atexit_sleep_ms=0", "NO_PROXY=localhost",
	)}
	for name, text := range map[string]string{
		".curlrc":     "silent\nshow-error\nfail-with-body\n", // curl fails if the hub refuses
		"Makefile":    "all:\n\t@echo one; echo two >&2\n",
		"notes.txt":   "buy milk\n",
		"picture.png": "\x89PNG\r\n\x1a\n\x00",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	shell := exec.Command("bash", "--norc", "-o", "pipefail", "-s")
	shell.Dir, shell.Env = dir, r.env
	out, in := io.Pipe()
	shell.Stdout, shell.Stderr = in, in
	stdin, err := shell.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = in.Close()
		if err := shell.Wait(); err != nil {
			t.Error(err)
		}
	})
	r.in, r.out = stdin, bufio.NewReader(out)
	return r
}

// read types the commands of a block.
func (r *reader) read(f fragment) {
	r.Helper()
	first, _, _ := strings.Cut(f.text, "\n")
	if notRun[f.command()] != "" {
		return
	}
	text := f.text
	for begins, commands := range before {
		if strings.HasPrefix(first, begins) && (r.url == "" || !strings.HasPrefix(begins, "export")) {
			text = commands + "\n" + text
		}
	}
	text = regexp.MustCompile(`(\||&&|\\)\n`).ReplaceAllString(text, "$1 ")
	for command := range strings.Lines(text) {
		command = insteadOf.Replace(strings.ReplaceAll(strings.TrimSpace(command), "/path/to/clone", repository(r.T)))
		if r.url != "" {
			command = strings.ReplaceAll(command, "localhost:3000", strings.TrimPrefix(strings.TrimPrefix(r.url, "http://"), "https://"))
		}
		switch {
		case regexp.MustCompile(`^(tidings|go run ./cmd/tidings) (serve|demo)`).MatchString(command):
			r.serve(command)
		case regexp.MustCompile(`^curl -N|^(\S+="\$\(.*\)" )?tidings (sub|presence .*--(follow|join))`).MatchString(command):
			r.follow(command)
		case command != "" && !strings.HasPrefix(command, "#"):
			if err := r.run(command); err != nil {
				r.Errorf("%s: %s: %v", f, command, err)
			}
		}
	}
	for _, s := range r.follows {
		r.end(s, "exit status 130", "signal: interrupt")
	}
	r.follows = nil
}

const readersPatience = 5 * time.Minute // also for the compiler, on a busy machine

// run types a command that ends by itself. If the command fails, the error has its output.
func (r *reader) run(command string) error {
	r.Helper()
	whole := "{ " + command + "\n}"
	if strings.Contains(command, "./cmd/") { // it runs in the clone
		whole = "(cd " + repository(r.T) + " && " + command + "\n)"
	}
	const mark = "the command has ended with"
	fmt.Fprintf(r.in, "export TIDINGS_HUB=%s\n%s </dev/null\nprintf '\\n%s %%s\\n' $?\n", r.url, whole, mark)
	timer := time.AfterFunc(readersPatience, func() { panic(command + " does not end") })
	defer timer.Stop()
	var output strings.Builder
	for {
		line, err := r.out.ReadString('\n')
		if err != nil {
			r.Fatalf("%s: %v\n%s", command, err, output.String())
		}
		if code, ok := strings.CutPrefix(line, mark+" "); ok {
			if code != "0\n" {
				return fmt.Errorf("exit code %s%s", code, output.String())
			}
			break
		}
		output.WriteString(line)
	}
	if strings.HasPrefix(command, "tidings token mint") { // later commands use the token
		if err := os.WriteFile(filepath.Join(r.dir, "token"), []byte(strings.TrimSpace(output.String())), 0o600); err != nil {
			r.Fatal(err)
		}
	}
	return nil
}

// start types a command that runs until Ctrl-C, in a terminal of its own.
func (r *reader) start(command string) *running {
	r.Helper()
	s := &running{command: command, cmd: exec.Command("bash", "--norc", "-c", command), out: newAwaited(), ended: make(chan error, 1)}
	s.cmd.Dir = r.dir
	if strings.Contains(command, "./cmd/") {
		s.cmd.Dir = repository(r.T)
	}
	s.cmd.Env = append(r.env, "TIDINGS_HUB="+r.url)
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.out
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := s.cmd.Start(); err != nil {
		r.Fatal(err)
	}
	go func() { s.ended <- s.cmd.Wait() }()
	r.Cleanup(func() { _ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL) })
	return s
}

// end presses Ctrl-C, unless the command has already ended with success.
func (r *reader) end(s *running, accepted ...string) {
	r.Helper()
	select {
	case err := <-s.ended:
		if err != nil {
			text, _ := s.out.now()
			r.Errorf("%s: %v\n%s", s.command, err, text)
		}
		return
	default:
	}
	if err := syscall.Kill(-s.cmd.Process.Pid, syscall.SIGINT); err != nil {
		r.Error(err)
	}
	select {
	case err := <-s.ended:
		if err != nil && !strings.Contains(strings.Join(accepted, ", "), err.Error()) {
			text, _ := s.out.now()
			r.Errorf("%s: %v\n%s", s.command, err, text)
		}
	case <-time.After(readersPatience):
		r.Fatalf("%s does not end", s.command)
	}
}

// serve ends the running hub, and types a command that starts another one unless the command is empty.
func (r *reader) serve(command string) {
	r.Helper()
	if r.hub != nil {
		r.end(r.hub, map[bool]string{true: "exit status 1"}[strings.HasPrefix(r.hub.command, "go run")]) // the exit status of go run after Ctrl-C
		r.hub = nil
	}
	if command == "" {
		return
	}
	if strings.HasPrefix(command, "go run ") { // the go command keeps what it has linked, so that the wait below is not for the linker
		cmd := exec.Command("go", "run", "./cmd/tidings", "--version")
		cmd.Dir, cmd.Env = repository(r.T), r.env
		if out, err := cmd.CombinedOutput(); err != nil {
			r.Fatalf("%v\n%s", err, out)
		}
	}
	r.hub = r.start(command)
	line := r.hub.out.await(r.T, `listens on https?://localhost:\d+`)
	r.url = line[strings.Index(line, "http"):]
}

// follow types a command that subscribes, and waits until its stream is open or it has ended.
func (r *reader) follow(command string) {
	r.Helper()
	opened := r.opened()
	s := r.start(command)
	deadline := time.Now().Add(readersPatience)
	for r.opened() == opened {
		select {
		case err := <-s.ended:
			s.ended <- err
			r.follows = append(r.follows, s)
			return
		case <-time.After(10 * time.Millisecond): // asks the hub again
		}
		if time.Now().After(deadline) {
			text, _ := s.out.now()
			r.Fatalf("%s does not connect\n%s", command, text)
		}
	}
	r.follows = append(r.follows, s)
}

// opened returns how many streams the hub has opened.
func (r *reader) opened() uint64 {
	r.Helper()
	ctx, stop := context.WithTimeout(r.Context(), readersPatience)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url+"/api/v1/stats", nil)
	if err != nil {
		r.Fatal(err)
	}
	if key := filepath.Join(r.dir, "tidings.key"); strings.Contains(r.hub.command, "--key-file") {
		_, token, _ := say(r.T, "token", "mint", "--key-file", key, "--sub", "test", "--admin")
		req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(token))
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var stats struct{ Streams struct{ Opened uint64 } }
	if err := json.NewDecoder(resp.Body).Decode(&stats); err != nil || resp.StatusCode != http.StatusOK {
		r.Fatalf("%s: %v", resp.Status, err)
	}
	return stats.Streams.Opened
}
