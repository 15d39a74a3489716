package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tidings-sse/tidings/sse/ssetest"
)

// openTerminal returns both ends of a pseudo-terminal of 80 columns: the end of the user, and the end of the program.
func openTerminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { person.Close() })
	fd := int(person.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}); err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return person, program
}

// onTerminal runs tidings sub on a terminal until the server has sent its whole answer. Then it presses Ctrl-C, and returns the output.
func onTerminal(t *testing.T, answer ssetest.Answer, env []string, args ...string) (screen string, code int) {
	t.Helper()
	person, program := openTerminal(t)
	told := make(chan struct{})
	server := ssetest.NewTCPServer(t, answer.Then(ssetest.Send("data: last\n\n"), ssetest.Hold()))
	cmd, _ := subProcess(t, append(args, server.URL)...)
	cmd.Env = append(append(os.Environ(), "TERM=xterm", "NO_COLOR=", "TZ=UTC"), env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = program, program, program
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	start(t, cmd)
	program.Close()

	var got bytes.Buffer
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 4096)
		for closed := false; ; {
			n, err := person.Read(buf)
			got.Write(buf[:n])
			if !closed && strings.Contains(got.String(), "last") {
				closed = true
				close(told)
			}
			if err != nil { // EIO, after the other end is closed
				return
			}
		}
	}()
	select {
	case <-told:
	case <-done:
		t.Fatalf("the program ended before it was asked to: %q", got.String())
	}
	if _, err := io.WriteString(person, "\x03"); err != nil { // Ctrl-C
		t.Fatal(err)
	}
	code = ended(t, cmd)
	<-done
	return got.String(), code
}

func TestTerminalGetsPrettyFormat(t *testing.T) {
	screen, code := onTerminal(t, ssetest.Stream(ssetest.Send("event: clock\nid: 7\ndata: 12:00\n\n")), nil)
	lines := strings.Split(screen, "\r\n")
	for i, want := range []string{"· connecting to http://127.0.0.1:", "· connected", "\x1b[36mclock\x1b[0m    \x1b[2m7\x1b[0m  12:00", "last"} {
		if !strings.Contains(lines[i], want) {
			t.Errorf("line %d is %q, want %q in it", i, lines[i], want)
		}
	}
	if code != exitInterrupted {
		t.Errorf("exit code %d, want %d", code, exitInterrupted)
	}
	if i := strings.LastIndex(screen, "^C"); i < 0 || !strings.Contains(screen[i:], "\r") ||
		!strings.Contains(screen[i:], "interrupted after 2 events, the last with id 7") || !strings.HasSuffix(screen, "\x1b[0m\r\n") {
		t.Errorf("the terminal is left with %q", screen)
	}
}

func TestColourFollowsFlagAndEnvironment(t *testing.T) {
	for _, env := range []string{"NO_COLOR=1", "TERM=dumb"} {
		screen, _ := onTerminal(t, ssetest.Stream(ssetest.Send("event: clock\ndata: 12:00\n\n")), []string{env})
		if strings.Contains(screen, "\x1b") || !strings.Contains(screen, "clock") {
			t.Errorf("%s: %q", env, screen)
		}
	}
}

func TestTerminalIsSafeInEveryFormat(t *testing.T) {
	const hostile = "\x1b[2J\x1b]0;pwned\a\u009b31m"
	for _, format := range []string{"pretty", "raw", "ndjson", "data"} {
		screen, _ := onTerminal(t, ssetest.Stream(
			ssetest.Send(": "+hostile+"\nid: "+hostile+"\nevent: "+hostile+"\ndata: "+hostile+"\n\n")),
			nil, "--format", format, "--color", "never")
		if strings.ContainsAny(screen, "\x1b\a\u009b") {
			t.Errorf("%s: %q", format, screen)
		}
	}
}

// With every format, the prompt is on a new line after Ctrl-C.
func TestPromptStartsOnANewLineAfterCtrlC(t *testing.T) {
	for _, args := range [][]string{{"-f", "data"}, {"-q"}, {"-q", "-f", "raw"}, {}} {
		screen, code := onTerminal(t, ssetest.Stream(), nil, args...)
		if !strings.HasSuffix(screen, "\r\n") || code != exitInterrupted {
			t.Errorf("%v: exit code %d, the terminal is left with %q", args, code, screen)
		}
	}
}
