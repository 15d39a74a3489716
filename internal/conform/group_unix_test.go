//go:build unix

package conform

import (
	"bufio"
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

// TestDriverEndsWithTheProcessesThatItHasStarted, also if it never prints a URL: they lived on, and held the standard error of sseconform open.
func TestDriverEndsWithTheProcessesThatItHasStarted(t *testing.T) {
	for _, says := range []string{"http://localhost:1", "", "no URL"} {
		errorsOut, errorsIn, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		script := "sh -c 'echo started >&2; sleep 1000; echo late' & "
		if says != "" {
			script += "echo " + says + "; "
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		started, ended := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(ended)
			lines := bufio.NewScanner(errorsOut)
			lines.Scan()
			close(started)
			for lines.Scan() { // until the last process has ended
			}
		}()
		if says == "" {
			go func() {
				<-started
				cancel(errors.New("it was silent"))
			}()
		}
		_, stop, err := Start(ctx, "", []string{"sh", "-c", script + "wait"}, errorsIn)
		if good := strings.HasPrefix(says, "http"); good != (err == nil) {
			t.Errorf("a driver that says %q: %v", says, err)
		} else if good {
			<-started
			stop()
		}
		_ = errorsIn.Close() // nothing is written here
		select {
		case <-ended:
		case <-time.After(time.Minute):
			t.Errorf("a process of a driver that says %q lives on", says)
		}
		cancel(nil)
		_ = errorsOut.Close() // it was read
	}
}
