package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidings-sse/tidings/sse/ssetest"
)

const stateURL = "http://example.com/events"

func savedID(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var pos position
	if err := json.Unmarshal(text, &pos); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return pos.ID
}

func mustOpenState(t *testing.T, file string, interval time.Duration) *state {
	t.Helper()
	s, err := openState(file, stateURL, interval)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func save(t *testing.T, s *state, id string) {
	t.Helper()
	if err := s.save(id); err != nil {
		t.Fatal(err)
	}
}

func TestPositionIsInTheFileWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "state")
		s := mustOpenState(t, file, time.Second)
		for i := range 10 {
			save(t, s, fmt.Sprint(i))
		}
		if got := savedID(t, file); got != "" {
			t.Errorf("id %q was written with the first file, want no more than a write per second", got)
		}
		time.Sleep(time.Second) // of the bubble's clock
		synctest.Wait()
		if got := savedID(t, file); got != "9" {
			t.Errorf("a second later the file says %q, want 9", got)
		}
		time.Sleep(time.Minute)
		save(t, s, "10")
		if got := savedID(t, file); got != "10" {
			t.Errorf("on a quiet stream the file says %q, want 10 at once", got)
		}
	})
}

func TestPositionIsInTheFileWhenTheRunEnds(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	s := mustOpenState(t, file, time.Hour)
	save(t, s, "1")
	save(t, s, "2")
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	if got := savedID(t, file); got != "2" {
		t.Errorf("the file says %q, want 2", got)
	}
	if got := mustOpenState(t, file, time.Hour).id(); got != "2" {
		t.Errorf("the next run begins after %q, want 2", got)
	}
}

func TestZeroIntervalWritesEachPosition(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	s := mustOpenState(t, file, 0)
	for i := range 3 {
		save(t, s, fmt.Sprint(i))
		if got := savedID(t, file); got != fmt.Sprint(i) {
			t.Errorf("the file says %q, want %d", got, i)
		}
	}
}

// A delayed write fails in the background. The run must not continue for hours without saving its position.
func TestFailedStateWriteIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "gone")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		s := mustOpenState(t, filepath.Join(dir, "state"), time.Second)
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		save(t, s, "1")
		time.Sleep(time.Second) // of the bubble's clock
		synctest.Wait()
		if err := s.save("2"); err == nil || !strings.Contains(err.Error(), "the state file cannot be written") {
			t.Errorf("save says %v", err)
		}
		if err := s.close(); err == nil {
			t.Error("close says nothing")
		}
	})
}

func TestStateFileIsReplacedBehindALink(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	mustOpenState(t, file, 0)
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	save(t, mustOpenState(t, link, 0), "7")
	if got := savedID(t, file); got != "7" {
		t.Errorf("the file says %q, want 7", got)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is now %v, %v", info.Mode(), err)
	}
}

func TestStateFileWithoutPositionFitsEveryStream(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	mustOpenState(t, file, 0)
	if _, err := openState(file, "http://example.com/corrected", 0); err != nil {
		t.Errorf("a mistyped URL has spoiled the file: %v", err)
	}
}

// An ID may have characters that no header field can carry. The user must still be able to open the stream.
func TestPositionThatCannotBeSentIsIgnored(t *testing.T) {
	server := ssetest.NewTCPServer(t, ssetest.Status(204))
	file := filepath.Join(t.TempDir(), "state")
	text, err := json.Marshal(position{URL: server.URL, ID: "a\x01b"})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	var complaints strings.Builder
	code := runSub(t.Context(), stdio{nil, io.Discard, &complaints}, "--state", file, server.URL)
	if code != 0 || !strings.Contains(complaints.String(), "the id in the state file has control characters and cannot be sent") {
		t.Errorf("exit code %d, %q", code, complaints.String())
	}
	x, err := server.Request(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if got := x.Header.Values("Last-Event-ID"); len(got) > 0 {
		t.Errorf("Last-Event-ID %q was sent", got)
	}
}
