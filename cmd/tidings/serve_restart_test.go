//go:build unix

package main

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func TestRestartKeepsEventsAndAppliesTheNewConfiguration(t *testing.T) {
	config := writeFile(t, "hub.yaml", "max-event: 2KiB\n")
	r := runServe(t, "tidings", nil, "--config", config)
	client := clientOf(t, nil)
	r.publish(t, client, "before")
	if answer, _ := ask(t, client, http.MethodPost, r.url+"/events/news", strings.Repeat("x", 3<<10)); answer.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("a large event: %s", answer.Status)
	}
	if err := os.WriteFile(config, []byte("max-event: 4KiB\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.restart(t)
	r.publish(t, client, strings.Repeat("x", 3<<10))
	if got := r.stored(t, client); len(got) != 2 || got[0] != "before" {
		t.Errorf("stored are %d events, %.40q", len(got), got)
	}
	r.stop(t)
}

// TestHubServesOnIfTheNewProcessFails before its predecessor has closed the log, and after that.
func TestHubServesOnIfTheNewProcessFails(t *testing.T) {
	for name, test := range map[string]struct {
		variant, script string
		late            bool // the log was closed
	}{
		"unknown flag":               {variant: "tidings", script: `exec $BIN/tidings "$@" --nonsense`},
		"ends at once":               {variant: "tidings", script: "exit 3"},
		"ends without an error":      {variant: "tidings", script: "exit 0"},
		"says nonsense":              {variant: "tidings", script: "echo ready >&4; sleep 100"},
		"hangs":                      {variant: "tidings-restless", script: "exec sleep 100"},
		"dies when its log is open":  {variant: "tidings", script: `exec $BIN/tidings-dies "$@"`, late: true},
		"hangs when its log is open": {variant: "tidings-impatient", script: `exec $BIN/tidings-hangs "$@"`, late: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := runServe(t, test.variant, nil)
			client := clientOf(t, nil)
			r.publish(t, client, "before")
			r.installScript(t, test.script)
			r.signal(t, syscall.SIGUSR2)
			r.log.await(t, `level=ERROR msg="the restart failed, and this process serves on" err=`)
			r.publish(t, client, "after")
			if got := r.stored(t, client); !slices.Equal(got, []string{"before", "after"}) {
				t.Errorf("stored are %q", got)
			}
			if text, _ := r.log.now(); test.late != strings.Contains(text, `msg="the log is closed"`) {
				t.Errorf("the log was closed: %t", !test.late)
			}
			if test.variant == "tidings" {
				r.install(t, "tidings")
				if r.restart(t); test.late {
					r.replaced++ // it has closed its log once more
				}
				r.publish(t, client, "at last")
			}
		})
	}
}

// TestReasonOfAFailedRestartIsReported: the old process killed the new one as soon as its pipe was closed, which may be before it says why.
func TestReasonOfAFailedRestartIsReported(t *testing.T) {
	r := runServe(t, "tidings", nil)
	r.installScript(t, "exec 4>&-; sleep 0.2; echo the reason >&2; exit 3")
	r.signal(t, syscall.SIGUSR2)
	r.log.await(t, `(?s)the reason.*the restart failed.*ended before it was prepared: exit status 3`)
}

// TestHubStopsAfterAFailedRestart: the descriptors for the new process had made the sockets blocking, and the hub waited for one more connection.
func TestHubStopsAfterAFailedRestart(t *testing.T) {
	r := runServe(t, "tidings", nil)
	r.installScript(t, "exit 3")
	r.signal(t, syscall.SIGUSR2)
	r.log.await(t, `the restart failed`)
	r.stop(t)
}

func TestHubsThatCannotBeReplacedSayWhy(t *testing.T) {
	r := &hubProcess{}
	r.start(t, nil, "tidings", "serve", "--addr", "localhost:0", "--memory")
	r.signal(t, syscall.SIGUSR2)
	r.log.await(t, `level=ERROR msg="SIGUSR2: the hub does not restart" err="its events are in memory, .*use --data`)
	r.publish(t, clientOf(t, nil), "hello")
}

// TestUnixSocketSurvivesRestarts, also those that fail, and is removed in the end.
func TestUnixSocketSurvivesRestarts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	r := runServe(t, "tidings", nil, "--addr", "unix:"+path)
	r.url = "http://localhost"
	client := clientOf(t, throughSocket(path))
	r.publish(t, client, "1")
	r.installScript(t, `exec $BIN/tidings-dies "$@"`)
	r.signal(t, syscall.SIGUSR2)
	r.log.await(t, `the restart failed`)
	r.publish(t, client, "2")
	r.install(t, "tidings")
	r.restart(t)
	r.restart(t)
	r.publish(t, client, "3")
	if got := r.stored(t, client); !slices.Equal(got, []string{"1", "2", "3"}) {
		t.Errorf("stored are %q", got)
	}
	r.replaced++ // the process whose restart failed has closed its log twice
	r.stop(t)
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
}

// TestHubMovesToANewAddressWhenItRestarts: a socket is passed on only if the configuration still asks for it.
func TestHubMovesToANewAddressWhenItRestarts(t *testing.T) {
	config := writeFile(t, "hub.yaml", "")
	admin := func(name string) string { return filepath.Join(filepath.Dir(config), name) }
	r := runServe(t, "tidings", nil, "--config", config)
	client := clientOf(t, nil)
	for _, text := range []string{"admin-addr: unix:" + admin("a"), "admin-addr: unix:" + admin("a"), "admin-addr: unix:" + admin("b"), ""} {
		if err := os.WriteFile(config, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		r.restart(t)
		r.publish(t, client, "hello")
		if path, ok := strings.CutPrefix(text, "admin-addr: unix:"); ok {
			if answer, _ := ask(t, clientOf(t, throughSocket(path)), http.MethodGet, "http://localhost/api/v1/stats", ""); answer.StatusCode != http.StatusOK {
				t.Errorf("%s: %s", text, answer.Status)
			}
		}
	}
}

// TestRestartMakesADeletedUnixSocketAgain: it failed, and no client could ever connect again. A file without a listener is as good as none.
func TestRestartMakesADeletedUnixSocketAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	r := runServe(t, "tidings", nil, "--addr", "unix:"+path, "--socket-mode=0600")
	r.url = "http://localhost"
	for _, name := range []string{"deleted", "stale", "file"} {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		switch name {
		case "stale":
			l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
			if err != nil {
				t.Fatal(err)
			}
			l.SetUnlinkOnClose(false)
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		case "file":
			if err := os.WriteFile(path, nil, 0o644); err != nil {
				t.Fatal(err)
			}
			r.signal(t, syscall.SIGUSR2)
			r.log.await(t, `(?s)cannot listen on \S+: this file is not a socket; remove it.*the restart failed`)
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
		r.restart(t)
		r.publish(t, clientOf(t, throughSocket(path)), name)
		if info, err := os.Lstat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: the file is %v, %v", name, info, err)
		}
	}
	if got := r.stored(t, clientOf(t, throughSocket(path))); !slices.Equal(got, []string{"deleted", "stale", "file"}) {
		t.Errorf("stored are %q", got)
	}
	r.stop(t)
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
}

// TestRestartSaysThatItsOwnAddressesAreSwapped, and not that another program uses them.
func TestRestartSaysThatItsOwnAddressesAreSwapped(t *testing.T) {
	public, admin := freeAddr(t), freeAddr(t)
	r := runServe(t, "tidings", nil, "--addr="+public, "--admin-addr="+admin)
	r.installScript(t, `exec $BIN/tidings serve --data `+r.data+` --addr=`+admin+` --admin-addr=`+public)
	r.signal(t, syscall.SIGUSR2)
	r.log.await(t, `(?s)the running hub listens on `+admin+` as its admin-addr, and a restart does not make that its addr; stop it and start it again.*the restart failed`)
	r.installScript(t, `exec $BIN/tidings serve --data `+r.data+` --addr=localhost:0 --admin-addr=`+public)
	r.signal(t, syscall.SIGUSR2)
	r.log.await(t, `(?s)the running hub listens on `+public+` as its addr, and a restart does not make that its admin-addr`)
	r.publish(t, clientOf(t, nil), "hello")
}

// TestStoppingAHubDuringARestartStopsBothProcesses.
func TestStoppingAHubDuringARestartStopsBothProcesses(t *testing.T) {
	r := runServe(t, "tidings", nil)
	r.installScript(t, "echo started >&2; exec sleep 100")
	r.signal(t, syscall.SIGUSR2)
	r.log.await(t, "(?m)^started$")
	r.stop(t)
	if text, _ := r.log.now(); strings.Contains(text, "restart failed") {
		t.Errorf("it says that the restart failed:\n%s", text)
	}
}

// TestUnusableDirectoryIsFoundBeforeAnythingChanges: it was found when the streams had ended and the log was closed.
func TestUnusableDirectoryIsFoundBeforeAnythingChanges(t *testing.T) {
	r := runServe(t, "tidings", nil)
	if err := os.WriteFile(filepath.Join(r.data, identityFile), []byte(`{"format": 99}`), 0o600); err != nil {
		t.Fatal(err)
	}
	r.signal(t, syscall.SIGUSR2)
	r.log.await(t, `(?s)data directory \S+: a newer version of tidings has written it.*the restart failed.*ended before it was prepared: exit status 1`)
	if text, _ := r.log.now(); strings.Contains(text, "msg=stopping") {
		t.Errorf("it has ended its streams:\n%s", text)
	}
	r.publish(t, clientOf(t, nil), "hello")
}

// TestEnvironmentOfARestartIsRefusedElsewhere.
func TestEnvironmentOfARestartIsRefusedElsewhere(t *testing.T) {
	for value, want := range map[string]string{
		"yes":           "TIDINGS_HANDOVER is for a hub that replaces another one; unset it",
		`{"version":2}`: "of a version that this one cannot replace",
		`{"version":1,"sockets":[{"role":"public"}]}`: "names a socket that this process does not have",
	} {
		cmd := exec.Command("tidings", "serve", "--memory", "--addr", "localhost:0") // not in this process, whose descriptors it would take
		cmd.Env = append(os.Environ(), handOverVariable+"="+value)
		if complaint, err := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != exitUsage || !strings.Contains(string(complaint), want) {
			t.Errorf("%s: %v, %s", value, err, complaint)
		}
	}
}
