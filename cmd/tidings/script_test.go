package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/tidings-sse/tidings/sse/ssetest"
)

// TestMain lets the test binary run as tidings, and as the helper program visit.
func TestMain(m *testing.M) {
	// With the race detector, every program waits for a second before it ends, and the scripts run a hundred programs.
	if _, ok := os.LookupEnv("GORACE"); !ok {
		_ = os.Setenv("GORACE", "atexit_sleep_ms=0")
	}
	testscript.Main(m, map[string]func(){
		"tidings":       main,
		"tidings-hasty": func() { drainTime = time.Second; main() },
		"tidings-dies":  func() { testOnlyOpened = func() { os.Exit(3) }; main() },
		"tidings-hangs": func() { testOnlyOpened = func() { select {} }; main() },
		// These do not wait long for a new process that hangs.
		"tidings-restless":  func() { prepareTime = restless; main() },
		"tidings-impatient": func() { readyTime = restless; main() },
		"visit":             visit,
	})
}

// restless is how long some variants of the program wait for a new process that hangs.
const restless = 500 * time.Millisecond

// TestScripts runs the scripts in testdata/script. Besides the commands of testscript, scripts can use:
//
//	sse-server FILE       starts a server that answers as FILE says, and sets $URL
//	exits CODE COMMAND    runs COMMAND, which must exit with CODE
//	await-request N       waits for request number N, counted from 1
//	await-left N          waits until request number N has ended because its client disconnected
//	requests              prints all requests
//	visit URL             a program that opens URL and runs until it is killed
//	fill-log DIR FILE     appends the records in FILE to the log in DIR, and sets $GEN; keep N: retention by number
//	hold-log DIR          keeps the log in DIR open until the script is over
//	unindex DIR TOPIC N   damages the log in DIR: record N is no longer in the index of TOPIC
//	same-files DIR DIR    compares the files of two directories byte for byte
//
// The file of a server has its answers, in the order of the requests:
//
//	answer 200            a new answer, with its status
//	header Name: value    a field of the answer; the default Content-Type of a 200 is text/event-stream
//	> text                a line of the body
//	quoted "text\x1b"     a part of the body, as a Go string
//	hold                  wait until the client disconnects
//	cut                   close the connection in the middle of the answer
//
// After its last answer the server answers 204, which ends streams for good.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("TZ", "UTC")
			env.Setenv("NO_PROXY", "127.0.0.1")
			t, ok := env.T().(testing.TB)
			if !ok {
				return fmt.Errorf("testscript's T, a %T, is not of package testing", env.T())
			}
			env.Values[scriptKey{}] = &scriptState{t: t}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"sse-server":    startServer,
			"exits":         exits,
			"await-request": awaitRequest,
			"await-left":    awaitLeft,
			"requests":      printRequests,
			"fill-log":      fillLog,
			"hold-log":      holdLog,
			"unindex":       unindex,
			"same-files":    sameFiles,
		},
	})
}

type scriptKey struct{} // of a script's *scriptState

// scriptState is the state that the commands of a script share.
type scriptState struct {
	t      testing.TB
	server *ssetest.Server
}

func stateOf(ts *testscript.TestScript) *scriptState { return ts.Value(scriptKey{}).(*scriptState) }

const scriptPatience = patience // with what should happen at once

func startServer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: sse-server FILE")
	}
	answers, err := parseAnswers(ts.ReadFile(args[0]))
	ts.Check(err)
	state := stateOf(ts)
	state.server = ssetest.NewTCPServer(state.t, answers...)
	state.server.Otherwise(ssetest.Status(http.StatusNoContent))
	ts.Setenv("URL", state.server.URL)
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARG...]")
	}
	got := 0
	err := ts.Exec(args[1], args[2:]...)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if want := args[0]; strconv.Itoa(got) != want {
		ts.Fatalf("exit code %d, want %s", got, want)
	}
}

// request waits for the request whose number, from 1, is the only argument.
func request(ts *testscript.TestScript, neg bool, args []string) *ssetest.Exchange {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: await-request N, or await-left N")
	}
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), scriptPatience)
	defer cancel()
	x, err := stateOf(ts).server.Request(ctx, n-1)
	ts.Check(err)
	return x
}

func awaitRequest(ts *testscript.TestScript, neg bool, args []string) { request(ts, neg, args) }

func awaitLeft(ts *testscript.TestScript, neg bool, args []string) {
	x := request(ts, neg, args)
	select {
	case <-x.Done():
	case <-time.After(scriptPatience):
		ts.Fatalf("request %s is still there", args[0])
	}
	if _, left := x.Ended(); !left {
		ts.Fatalf("request %s was ended by the server", args[0])
	}
}

func printRequests(ts *testscript.TestScript, _ bool, _ []string) {
	out := ts.Stdout()
	for _, x := range stateOf(ts).server.Requests() {
		fmt.Fprintf(out, "%s %s\n", x.Method, x.URL.RequestURI())
		for _, name := range slices.Sorted(maps.Keys(x.Header)) {
			fmt.Fprintf(out, "%s: %s\n", name, strings.Join(x.Header[name], ", "))
		}
		fmt.Fprintf(out, "%s\n\n", x.Body)
	}
}

// parseAnswers reads a server's file.
func parseAnswers(text string) ([]ssetest.Answer, error) {
	var answers []ssetest.Answer
	for i, line := range strings.Split(text, "\n") {
		if line == "" {
			continue
		}
		if !strings.HasPrefix(line, "answer ") && len(answers) == 0 {
			return nil, fmt.Errorf("line %d: an answer begins with its status", i+1)
		}
		if err := parseLine(&answers, line); err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	return answers, nil
}

func parseLine(answers *[]ssetest.Answer, line string) error {
	word, rest, _ := strings.Cut(line, " ")
	if word == "answer" {
		status, err := strconv.Atoi(rest)
		answer := ssetest.Status(status)
		if status == http.StatusOK {
			answer = ssetest.Stream()
		}
		*answers = append(*answers, answer)
		return err
	}
	last := &(*answers)[len(*answers)-1]
	switch word {
	case "header":
		name, value, _ := strings.Cut(rest, ": ")
		*last = last.With(name, value)
	case ">":
		*last = last.Then(ssetest.Send(rest + "\n"))
	case "quoted":
		text, err := strconv.Unquote(rest)
		*last = last.Then(ssetest.Send(text))
		return err
	case "hold":
		*last = last.Then(ssetest.Hold())
	case "cut":
		*last = last.Then(ssetest.Cut())
	default:
		return fmt.Errorf("unknown word %q", word)
	}
	return nil
}

// visit is a program that a command of --exec may start in the background.
func visit() {
	resp, err := http.Get(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(os.Stdout, resp.Body)
}
