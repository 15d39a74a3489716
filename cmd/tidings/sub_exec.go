package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// runner runs a command for each event, one at a time.
type runner struct {
	line     string
	out, err io.Writer
}

// killAfter is how long a command may take to end after it was terminated.
const killAfter = 2 * time.Second

// run runs the command for e and waits for it. When ctx is done first, run ends the command and all its children, and returns the error of
// ctx.
func (r *runner) run(ctx context.Context, e message) error {
	cmd := shell(r.line)
	own(cmd)
	cmd.Stdin = strings.NewReader(e.Data + "\n")
	cmd.Stdout, cmd.Stderr = r.out, r.err
	cmd.Env = append(os.Environ(),
		"TIDINGS_TYPE="+envValue(e.Type), "TIDINGS_ID="+envValue(e.ID), "TIDINGS_TOPIC="+envValue(topicOf(e)))
	// A command may leave a process in the background that holds the pipes open. The next event does not wait for it.
	cmd.WaitDelay = killAfter
	if err := cmd.Start(); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = terminate(cmd) })
	err := wait(ctx, cmd)
	if !stop() {
		kill(cmd) // it may have ignored SIGTERM
		return context.Cause(ctx)
	}
	if errors.Is(err, exec.ErrWaitDelay) {
		return nil
	}
	return err
}

// wait waits for cmd, but at most killAfter after the end of ctx.
func wait(ctx context.Context, cmd *exec.Cmd) error {
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	timer := time.NewTimer(killAfter)
	defer timer.Stop()
	select {
	case err := <-ended:
		return err
	case <-timer.C:
		kill(cmd)
		return <-ended
	}
}

// envValue returns s without NUL, which the environment cannot hold.
func envValue(s string) string { return strings.ReplaceAll(s, "\x00", "") }

// topicOf returns the topic of an event. The data of an event from another stream may be an envelope, the JSON object that a hub sends for
// format=envelope, with the strings "id", "topic" and "data". The topic is "" for other events.
func topicOf(e message) string {
	if e.topic != "" {
		return e.topic
	}
	if !strings.HasPrefix(e.Data, "{") {
		return ""
	}
	var envelope struct{ ID, Topic, Data *string }
	if json.Unmarshal([]byte(e.Data), &envelope) != nil || envelope.ID == nil || envelope.Topic == nil || envelope.Data == nil {
		return ""
	}
	return *envelope.Topic
}
