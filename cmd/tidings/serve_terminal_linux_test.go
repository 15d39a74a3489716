package main

import (
	"context"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// TestServeEndsWhenItsTerminalCloses: with a certificate it took the hang-up for a request to load its files again, and kept running.
func TestServeEndsWhenItsTerminalCloses(t *testing.T) {
	certFile, keyFile := writePair(t, t.TempDir(), 1)
	for _, args := range [][]string{nil, {"--tls-cert", certFile, "--tls-key", keyFile}} {
		person, terminal := openTerminal(t)
		out := newAwaited()
		cmd := exec.Command("tidings", append([]string{"serve", "--memory", "--addr", "localhost:0"}, args...)...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = terminal, out, terminal
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
		start(t, cmd)
		_ = terminal.Close()
		out.await(t, "tidings serve listens on ")
		_ = person.Close()
		ended(t, cmd)
		if state, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || state.Signal() != syscall.SIGHUP {
			t.Errorf("%q: it expired with %v", args, cmd.ProcessState)
		}
	}
}

// TestRequestsAreNotLoggedOnATerminal: the line that says what to try would be lost among them.
func TestRequestsAreNotLoggedOnATerminal(t *testing.T) {
	for _, c := range []struct {
		args []string
		want bool
	}{{nil, false}, {[]string{"--log-requests=always"}, true}} {
		person, terminal := openTerminal(t)
		defer terminal.Close()
		screen := newAwaited()
		go func() {
			buf := make([]byte, 4096)
			for {
				n, err := person.Read(buf)
				_, _ = screen.Write(buf[:n])
				if err != nil {
					return
				}
			}
		}()
		ctx, cancel := context.WithCancel(t.Context())
		out, ended := newAwaited(), make(chan int)
		p := program{stdio: stdio{in: strings.NewReader(""), out: out, err: terminal}}
		go func() { ended <- p.run(ctx, append([]string{"serve", "--memory", "--addr", "localhost:0"}, c.args...)) }()
		url := strings.TrimSuffix(strings.Fields(out.await(t, `listens on \S+,`))[2], ",")
		ask(t, http.DefaultClient, http.MethodPost, url+"/events/news", "hello")
		cancel()
		if code := <-ended; code != 0 {
			t.Errorf("exit code %d", code)
		}
		screen.await(t, "the log is closed")
		if text, _ := screen.now(); strings.Contains(text, "msg=request ") != c.want {
			t.Errorf("%q: the terminal has\n%s", c.args, text)
		}
	}
}
