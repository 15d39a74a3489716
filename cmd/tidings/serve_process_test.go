//go:build unix

package main

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// hubProcess is tidings serve as a process of its own, which other processes may replace.
type hubProcess struct {
	program  string // a link, which leads to the binary of the next process
	data     string
	out, log *awaited
	url      string
	pid      int // of the process that serves
	replaced int // how often another process has taken its place
}

// runServe starts a variant of the program (see TestMain) with its events in a new directory.
func runServe(t *testing.T, variant string, env []string, args ...string) *hubProcess {
	t.Helper()
	dir := t.TempDir()
	r := &hubProcess{program: filepath.Join(dir, variant), data: filepath.Join(dir, "data")}
	r.install(t, variant)
	r.start(t, env, append([]string{r.program, "serve", "--addr", "localhost:0", "--data", r.data, "--log-requests", "never"}, args...)...)
	return r
}

// start runs a command line that becomes a hub, and waits until it serves.
func (r *hubProcess) start(t *testing.T, env []string, line ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(line[0], line[1:]...)
	r.run(t, cmd, env)
	text := r.out.await(t, `tidings serve listens on \S+,`)
	r.url = strings.TrimSuffix(strings.Fields(text)[4], ",")
	return cmd
}

// run starts a process. Its output goes through pipes that cmd.Wait does not wait for: the processes that replace it use them, too.
func (r *hubProcess) run(t *testing.T, cmd *exec.Cmd, env []string) {
	t.Helper()
	r.out, r.log = newAwaited(), newAwaited()
	cmd.Stdout, cmd.Stderr = pipeTo(t, r.out), pipeTo(t, r.log)
	if cmd.Env == nil {
		cmd.Env = append(os.Environ(), env...)
	}
	if r.program != "" { // a program from PATH starts the one that is there when it restarts
		cmd.Env = append(cmd.Env, "PATH="+filepath.Dir(r.program)+":"+os.Getenv("PATH"), "BIN="+binaries(t))
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r.pid = cmd.Process.Pid
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait() // the test looks at the log
		close(done)
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(r.pid, syscall.SIGKILL) // it may have ended
		_ = cmd.Process.Kill()                   // as above
		<-done
		if text, _ := r.log.now(); t.Failed() {
			t.Logf("its log:\n%s", text)
		}
	})
}

// pipeTo returns the end of a pipe whose content goes to a.
func pipeTo(t *testing.T, a *awaited) *os.File {
	t.Helper()
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(a, in) }() // until the last process has ended
	t.Cleanup(func() { _, _ = out.Close(), in.Close() })
	return out
}

// binaries returns the directory of the variants of the program.
func binaries(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("tidings")
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Dir(path)
}

// install makes the next process a variant of the program.
func (r *hubProcess) install(t *testing.T, variant string) {
	t.Helper()
	err := os.Symlink(filepath.Join(binaries(t), variant), r.program+".new")
	if err == nil {
		err = os.Rename(r.program+".new", r.program)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// installScript makes the next process a shell script. $BIN has the variants of the program.
func (r *hubProcess) installScript(t *testing.T, script string) {
	t.Helper()
	err := os.WriteFile(r.program+".new", []byte("#!/bin/sh\n"+script+"\n"), 0o700)
	if err == nil {
		err = os.Rename(r.program+".new", r.program)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// signal sends a signal to the process that serves.
func (r *hubProcess) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(r.pid, s); err != nil {
		t.Fatal(err)
	}
}

// restart replaces the process, and waits until the next one serves.
func (r *hubProcess) restart(t *testing.T) {
	t.Helper()
	r.signal(t, syscall.SIGUSR2)
	r.replaced++
	line := r.log.await(t, `(?s)(msg="the new process serves, and this one ends" pid=\d+\n.*){`+strconv.Itoa(r.replaced)+`}`)
	pids := regexp.MustCompile(`this one ends" pid=(\d+)`).FindAllStringSubmatch(line, -1)
	before := r.pid
	r.pid, _ = strconv.Atoi(pids[r.replaced-1][1])
	if r.pid == before {
		t.Fatalf("process %d has not been replaced", before)
	}
}

// stop stops the process that serves, and waits until its log is closed.
func (r *hubProcess) stop(t *testing.T) {
	t.Helper()
	r.signal(t, syscall.SIGTERM)
	r.log.await(t, `(?s)(msg="the log is closed".*){`+strconv.Itoa(r.replaced+1)+`}`)
}

// publish publishes an event.
func (r *hubProcess) publish(t *testing.T, client *http.Client, data string) {
	t.Helper()
	if answer, text := ask(t, client, http.MethodPost, r.url+"/events/news", data); answer.StatusCode != http.StatusOK {
		t.Fatalf("publishing: %s %s", answer.Status, text)
	}
}

// stored returns the data of the events in the log.
func (r *hubProcess) stored(t *testing.T, client *http.Client) (all []string) {
	t.Helper()
	_, text := ask(t, client, http.MethodGet, r.url+"/events/news?since=earliest&poll=1", "")
	for _, m := range regexp.MustCompile(`(?m)^data: (.+)$`).FindAllStringSubmatch(text, -1) {
		if m[1] != "{}" {
			all = append(all, m[1])
		}
	}
	return all
}

// descriptors returns the kinds of the descriptors of a process that are no files. It needs Linux, and otherwise returns none.
func descriptors(t *testing.T, pid int) (kinds []string) {
	t.Helper()
	links, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		to, err := os.Readlink(link)
		if kind, _, _ := strings.Cut(to, ":"); err == nil && !strings.HasPrefix(to, "/") {
			kinds = append(kinds, kind)
		}
	}
	slices.Sort(kinds)
	return kinds
}
