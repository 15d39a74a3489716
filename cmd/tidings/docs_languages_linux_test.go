//go:build programs

package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
)

// language says how the programs of docs/languages run.
type language struct {
	file  string // the name of a program's file, with %s for Publish or Follow
	needs string // a program besides those that .ci/needs installs; make languages sets TIDINGS_LANGUAGES=all and runs these languages, too
	run   func(t *testing.T, file string) *exec.Cmd
}

var languages = map[string]language{
	"python": {"%s.py", "", with(cmp.Or(os.Getenv("PYTHON"), "/usr/bin/python3"))}, // Debian's, which finds Debian's httpx
	"php":    {"%s.php", "", with("php")},
	"ruby":   {"%s.rb", "", with("ruby")},
	"java":   {"%s.java", "java", with("java")},
	"rust":   {"%s.rs", "cargo", cargo},
}

// untried are the languages of docs/languages that no test runs. Their pages say so.
var untried = map[string]string{"csharp": "there is no .NET in Debian"}

func with(interpreter string) func(*testing.T, string) *exec.Cmd {
	return func(t *testing.T, file string) *exec.Cmd { return exec.Command(commandPath(t, interpreter), file) }
}

// cargo builds a program with the crates that Debian packages as librust-*-dev.
func cargo(t *testing.T, file string) *exec.Cmd {
	t.Helper()
	dir := filepath.Dir(file)
	for name, text := range map[string]string{
		"Cargo.toml": "[package]\nname = \"program\"\nversion = \"1.0.0\"\nedition = \"2021\"\n[[bin]]\nname = \"program\"\npath = \"" + file + "\"\n" +
			"[dependencies]\nserde_json = \"1\"\nuuid = { version = \"1\", features = [\"v4\"] }\nreqwest = { version = \"0.11\", features = [\"blocking\"] }\n",
		"config.toml": "[source.crates-io]\nreplace-with = \"debian\"\n[source.debian]\ndirectory = \"/usr/share/cargo/registry\"\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.Command("/usr/bin/cargo", "build", "--quiet", "--offline", "--config", "config.toml")
	build.Dir, build.Env = dir, append(os.Environ(), "CARGO_TARGET_DIR="+filepath.Join(os.TempDir(), "tidings-languages"))
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("cargo build: %v\n%s", err, out)
	}
	program := filepath.Join(dir, "program")
	if err := os.Rename(filepath.Join(os.TempDir(), "tidings-languages", "debug", "program"), program); err != nil {
		t.Fatal(err)
	}
	return exec.Command(program)
}

// TestProgramsOfOtherLanguagesLoseAndDoubleNothing runs the two programs of each page in docs/languages: one publishes through a busy hub
// and a lost answer, the other follows through broken connections, a hub that has lost its events, and the end of the topic.
func TestProgramsOfOtherLanguagesLoseAndDoubleNothing(t *testing.T) {
	for name, l := range languages {
		if l.needs != "" && os.Getenv("TIDINGS_LANGUAGES") != "all" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUnsteadyHub(t)
			publish, follow := l.program(t, name, "Publish", u.URL), l.program(t, name, "Follow", u.URL)

			following := startProgram(t, follow)
			u.awaitStream(t, following)
			if out, err := publish.CombinedOutput(); err != nil || !regexp.MustCompile(`\w{5,6}-1\b`).Match(out) {
				t.Fatalf("Publish: %v, it says %q", err, out)
			}
			if posts, stored := u.count(t); posts != 3 || stored != 1 {
				t.Errorf("the program sent the event %d times, want 3; the hub stored it %d times, want 1", posts, stored)
			}
			following.out.await(t, `hello\n`)

			u.reset()
			const strange = "é\u2028\u0085 ! 日本" // splitting at any line end of Unicode would break it
			u.publish(t, hub.Event{Data: strange})
			following.out.await(t, `日本\n`)

			u.restart(t)
			following.out.await(t, `events are missing: .*"reason":"reset".*\n`)
			u.awaitStream(t, following)
			u.publish(t, hub.Event{Data: "last", End: true})
			if err := <-following.ended; err != nil {
				t.Errorf("Follow ends with %v after the end of the topic", err)
			}
			topic := map[bool]string{false: "news "}[name == "java"] // its program reads plain events, which do not name their topic
			out, _ := following.out.now()
			want := regexp.MustCompile("^" + topic + "hello\n" + topic + strange + "\nevents are missing: .*\n" + topic + "last\n$")
			if !want.MatchString(out) {
				t.Errorf("Follow prints\n%s", out)
			}
		})
	}
}

// TestProgramsOfOtherLanguagesEndWhenTheHubRefuses instead of trying for ever, and print why.
func TestProgramsOfOtherLanguagesEndWhenTheHubRefuses(t *testing.T) {
	refusal := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, `{"type":"urn:tidings:problem:forbidden","detail":"the token does not grant it"}`, http.StatusForbidden)
	}))
	t.Cleanup(refusal.Close)
	for name, l := range languages {
		if l.needs != "" && os.Getenv("TIDINGS_LANGUAGES") != "all" {
			continue
		}
		for _, act := range []string{"Publish", "Follow"} {
			t.Run(name+"/"+act, func(t *testing.T) {
				out, err := l.program(t, name, act, refusal.URL).CombinedOutput()
				if err == nil || !bytes.Contains(out, []byte("the token does not grant it")) {
					t.Errorf("it ends with %v, and prints %q", err, out)
				}
			})
		}
	}
}

// TestEveryPageOfALanguageIsRunOrSaysThatItIsUntried, and PHP blocks that are no whole program are valid.
func TestEveryPageOfALanguageIsRunOrSaysThatItIsUntried(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join(repository(t), "docs/languages/*.md"))
	if err != nil || len(pages) < 6 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	for _, page := range pages {
		name := strings.TrimSuffix(filepath.Base(page), ".md")
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		_, run := languages[name]
		says := bytes.Contains(text, []byte("Nobody has run these programs"))
		if name != "README" && run == (untried[name] != "") || says == run && name != "README" {
			t.Errorf("%s: run by a test: %t; says that nobody has run it: %t", page, run, says)
		}
	}
	for _, f := range fragments(t) {
		if f.language == "php" && !strings.HasPrefix(f.text, "<?php") {
			if out, err := exec.Command(commandPath(t, "php"), "-l", writeFile(t, "block.php", "<?php\n"+f.text)).CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", f, err, out)
			}
		}
	}
}

// program returns a command that runs the program below a heading of the language's page, with another hub.
func (l language) program(t *testing.T, name, heading, url string) *exec.Cmd {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(repository(t), "docs/languages", name+".md"))
	if err != nil {
		t.Fatal(err)
	}
	_, below, _ := strings.Cut(string(page), "\n## "+heading+"\n")
	_, code, _ := strings.Cut(below, "\n```"+name+"\n")
	code, _, found := strings.Cut(code, "\n```\n")
	if !found || !strings.Contains(code, "http://localhost:3000") {
		t.Fatalf("%s: no program below the heading %s", name, heading)
	}
	return l.run(t, writeFile(t, fmt.Sprintf(l.file, heading), strings.ReplaceAll(code, "http://localhost:3000", url)))
}

func startProgram(t *testing.T, cmd *exec.Cmd) *running {
	t.Helper()
	r := &running{command: cmd.String(), cmd: cmd, out: newAwaited(), ended: make(chan error, 1)}
	var complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = r.out, &complaints
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		r.ended <- cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		<-gone
		if t.Failed() {
			t.Logf("%s\n%s", r.command, complaints.String())
		}
	})
	return r
}

// unsteadyHub is what programs take for a hub. It refuses the first event with 503, and loses the answer to the second attempt.
type unsteadyHub struct {
	*httptest.Server
	mu      sync.Mutex // guards the following fields
	hub     *hub.Hub
	posts   int
	streams uint64 // awaited so far, of hub
	conns   []*net.TCPConn
}

func newUnsteadyHub(t *testing.T) *unsteadyHub {
	u := &unsteadyHub{}
	u.restart(t)
	u.Server = httptest.NewUnstartedServer(u)
	u.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.conns = append(u.conns, c.(*net.TCPConn))
		return ctx
	}
	u.Start()
	t.Cleanup(u.Close)
	t.Cleanup(u.CloseClientConnections)
	return u
}

// restart replaces the hub by one without events. The streams of the old one end.
func (u *unsteadyHub) restart(t *testing.T) {
	t.Helper()
	log, err := eventlog.NewMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	next, err := hub.New(log, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := next.Shutdown(t.Context()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	})
	u.mu.Lock()
	u.hub, u.streams = next, 0
	u.mu.Unlock()
	if u.Server != nil {
		u.reset()
	}
}

// reset resets all connections, which some HTTP libraries answer by sending the request again on their own.
func (u *unsteadyHub) reset() {
	u.mu.Lock()
	for _, c := range u.conns {
		_ = c.SetLinger(0) // it may be closed
	}
	u.mu.Unlock()
	u.CloseClientConnections()
}

func (u *unsteadyHub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	u.mu.Lock()
	h := u.hub
	if r.Method == http.MethodPost {
		u.posts++
	}
	posts := u.posts
	u.mu.Unlock()
	switch {
	case r.Method != http.MethodPost:
		h.ServeHTTP(impatient{w}, r)
	case posts == 1:
		w.WriteHeader(http.StatusServiceUnavailable)
	case posts == 2:
		h.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	default:
		h.ServeHTTP(w, r)
	}
}

// impatient asks subscribers to reconnect at once, so that the test need not wait for seconds. The hub cannot take its connection over, so
// CloseClientConnections finds it.
type impatient struct{ w http.ResponseWriter }

var retryTime = regexp.MustCompile(`(retry(?:\\":|: ))\d+`)

func (i impatient) Header() http.Header    { return i.w.Header() }
func (i impatient) WriteHeader(status int) { i.w.WriteHeader(status) }
func (i impatient) Flush()                 { i.w.(http.Flusher).Flush() }

func (i impatient) Write(b []byte) (int, error) {
	if _, err := i.w.Write(retryTime.ReplaceAll(b, []byte("${1}100"))); err != nil {
		return 0, err
	}
	return len(b), nil
}

// count returns how many requests published, and how many events are stored.
func (u *unsteadyHub) count(t *testing.T) (posts int, stored uint64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.posts, u.stats(t).Events.Stored
}

func (u *unsteadyHub) stats(t *testing.T) *hub.Stats {
	t.Helper()
	stats, err := u.hub.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return stats
}

func (u *unsteadyHub) publish(t *testing.T, e hub.Event) {
	t.Helper()
	u.mu.Lock()
	defer u.mu.Unlock()
	e.Topics = []string{"news"}
	if _, err := u.hub.Publish(t.Context(), e); err != nil {
		t.Fatal(err)
	}
}

// awaitStream waits for the next stream, which follow opens.
func (u *unsteadyHub) awaitStream(t *testing.T, follow *running) {
	t.Helper()
	eventually(t, "the stream of "+follow.command, func() bool {
		select {
		case err := <-follow.ended:
			t.Fatalf("%s has ended: %v", follow.command, err)
		default:
		}
		u.mu.Lock()
		defer u.mu.Unlock()
		opened := u.stats(t).Streams.Opened
		if opened == u.streams {
			return false
		}
		u.streams = opened
		return true
	})
}
