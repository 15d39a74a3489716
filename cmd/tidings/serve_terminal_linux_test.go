package main

import (
	"context"
	"net/http"
	"strings"
	"testing"
)

// TestOnATerminalRequestsHaveNoLines: a person who tries a hub loses the one line that says what to do among them.
func TestOnATerminalRequestsHaveNoLines(t *testing.T) {
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
