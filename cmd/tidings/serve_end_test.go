//go:build unix

package main

import (
	"bufio"
	"encoding/json"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// TestServeLogsItsShutdown: it ended without a log line, so the operator could not see whether streams were drained and the log was closed.
func TestServeLogsItsShutdown(t *testing.T) {
	for signal, want := range map[os.Signal]string{os.Interrupt: "interrupt", syscall.SIGTERM: "terminated"} {
		cmd := exec.Command("tidings", "serve", "--addr", "localhost:0", "--data", t.TempDir())
		out, log := newAwaited(), newAwaited()
		cmd.Stdout, cmd.Stderr = out, log
		start(t, cmd)
		url := strings.TrimSuffix(strings.Fields(out.await(t, `listens on \S+,`))[2], ",")
		var streams []*http.Response
		for range 2 {
			resp, err := http.Get(url + "/events/news")
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if _, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil {
				t.Fatal(err)
			}
			streams = append(streams, resp)
		}
		if err := cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		if code := ended(t, cmd); code != 0 || len(streams) != 2 {
			t.Errorf("exit code %d", code)
		}
		text, _ := log.now()
		for _, pattern := range []string{
			`msg=stopping reason="` + want + `[^"]*" streams=2\n`,
			`msg=stopped streams=2 cut=false took=\S+\n`,
			`msg="the log is closed" events=\S+ took=\S+\n$`,
		} {
			if !regexp.MustCompile(pattern).MatchString(text) {
				t.Errorf("after %v, there is no %s in\n%s", signal, pattern, text)
			}
		}
	}
}

func TestLogRequestsFlagDecidesWhatIsLogged(t *testing.T) {
	for when, want := range map[string]bool{"auto": true, "always": true, "never": false} {
		s := startServe(t, nil, "--log-requests", when)
		ask(t, http.DefaultClient, http.MethodPost, s.url+"/events/news", "hello")
		s.stop()
		if text, _ := s.log.now(); strings.Contains(text, "msg=request ") != want {
			t.Errorf("--log-requests %s:\n%s", when, text)
		}
	}
}

// TestLogStatsCountsAllFilesOnTheDisk: files that the store keeps for reuse take space on the disk, too.
func TestLogStatsCountsAllFilesOnTheDisk(t *testing.T) {
	dir := t.TempDir()
	s := startServeIn(t, dir, nil)
	ask(t, http.DefaultClient, http.MethodPost, s.url+"/events/news", strings.Repeat("x", 100<<10))
	s.stop()
	if err := os.WriteFile(filepath.Join(dir, "left-behind"), make([]byte, 3<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, complaint := say(t, "log", "stats", "--json", dir)
	var stats struct{ Disk, Bytes int64 }
	if err := json.Unmarshal([]byte(out), &stats); err != nil || code != 0 {
		t.Fatalf("exit code %d, %v, %s", code, err, complaint)
	}
	size := int64(0)
	err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		size += info.Size()
		return err
	})
	if err != nil || stats.Disk != size || stats.Bytes < 100<<10 || stats.Bytes > 101<<10 {
		t.Errorf("%d bytes on disk, of which %d count; the files have %d, %v", stats.Disk, stats.Bytes, size, err)
	}
}
