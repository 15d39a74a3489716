//go:build unix

package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// activated returns a command that gives sockets to a hub as systemd does.
func activated(files []*os.File, names, line string) *exec.Cmd {
	cmd := exec.Command("sh", "-c", "LISTEN_PID=$$ exec "+line)
	cmd.ExtraFiles = files
	cmd.Env = append(os.Environ(), fmt.Sprintf("LISTEN_FDS=%d", len(files)), "LISTEN_FDNAMES="+names)
	return cmd
}

// dupOf returns a duplicate of a socket.
func dupOf(t *testing.T, socket any, err error) *os.File {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	f, err := socket.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// listenFile returns a socket that listens, and its address.
func listenFile(t *testing.T, network, addr string) (*os.File, string) {
	t.Helper()
	l, err := net.Listen(network, addr)
	f := dupOf(t, l, err)
	t.Cleanup(func() { _ = l.Close() })
	return f, l.Addr().String()
}

func TestServeTakesItsSocketsFromSystemd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	if len(path) > longestSocket {
		t.Fatalf("%s is too long for a socket", path)
	}
	public, addr := listenFile(t, "tcp", "127.0.0.1:0")
	other, otherAddr := listenFile(t, "tcp", "127.0.0.1:0")
	admin, _ := listenFile(t, "unix", path)
	r := &hubProcess{}
	r.run(t, activated([]*os.File{public, admin, other}, "tidings.socket:admin:public", "tidings serve --memory"), nil)
	r.out.await(t, `tidings serve listens on http://`)
	r.out.await(t, `listens for administrators on unix:`+path)
	client := clientOf(t, nil)
	for _, addr := range []string{addr, otherAddr} {
		r.url = "http://" + addr
		r.publish(t, client, "hello")
	}
	if answer, text := ask(t, clientOf(t, throughSocket(path)), http.MethodGet, "http://localhost/api/v1/stats", ""); answer.StatusCode != http.StatusOK {
		t.Errorf("administration: %s %s", answer.Status, text)
	}
	r.stop(t)
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the hub has removed the socket of systemd: %v", err)
	}
}

// TestSocketsThatAHubCannotServeAreRefused, and the hub says which and why.
func TestSocketsThatAHubCannotServeAreRefused(t *testing.T) {
	public, addr := listenFile(t, "tcp", "127.0.0.1:0")
	wide, _ := listenFile(t, "tcp", "0.0.0.0:0")
	packet, err := net.ListenPacket("udp", "127.0.0.1:0")
	datagrams := dupOf(t, packet, err)
	t.Cleanup(func() { _ = packet.Close() })
	dialed, err := net.Dial("tcp", addr)
	conn := dupOf(t, dialed, err)
	t.Cleanup(func() { _ = dialed.Close() })
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	one, many := []*os.File{public}, slices.Repeat([]*os.File{public}, mostGiven+1)
	for _, test := range []struct {
		files       []*os.File
		names, args string
		want        string
	}{
		{one, "metrics", "", `descriptor 3, named "metrics": a hub has sockets named public and admin`},
		{one, "public:admin", "", `passes 1 sockets and 2 names`},
		{many, "", "", `LISTEN_FDS="17"; a hub takes 1 to 16 sockets`},
		{[]*os.File{public, datagrams}, "", "", `descriptor 4, named "": it is a socket for datagrams`},
		{[]*os.File{conn}, "", "", `it is a connection, not a socket that listens`},
		{[]*os.File{file}, "", "", `it is not a socket`},
		{one, "", "--addr=localhost:3999", `passes the socket ` + addr + `, and --addr is localhost:3999 (flag --addr)`},
		{[]*os.File{wide}, "", "", `other machines can reach --addr`},
	} {
		cmd := activated(test.files, test.names, "tidings serve --memory "+test.args)
		if complaint, err := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != exitUsage || !strings.Contains(string(complaint), test.want) {
			t.Errorf("want %s, got %v, %s", test.want, err, complaint)
		}
	}
}

// TestPublishersWaitWhileAHubWithSocketsOfSystemdRestarts: systemctl restart stops the hub and starts it again. No connection is refused.
func TestPublishersWaitWhileAHubWithSocketsOfSystemdRestarts(t *testing.T) {
	public, addr := listenFile(t, "tcp", "127.0.0.1:0")
	data := t.TempDir()
	first := &hubProcess{}
	begin := func(r *hubProcess) {
		r.run(t, activated([]*os.File{public}, "", "tidings serve --log-requests never --data "+data), nil)
	}
	begin(first)
	first.out.await(t, "listens on")
	client := clientOf(t, func(tr *http.Transport) { tr.DisableKeepAlives = true })
	first.url = "http://" + addr
	first.publish(t, client, "first")
	first.stop(t)

	var publishers sync.WaitGroup
	for range 20 {
		publishers.Go(func() {
			answer, err := client.Post(first.url+"/events/news", "text/plain", strings.NewReader("waits"))
			if err != nil {
				t.Error(err)
				return
			}
			_ = answer.Body.Close()
			if answer.StatusCode != http.StatusOK {
				t.Error(answer.Status)
			}
		})
	}
	second := &hubProcess{}
	begin(second)
	publishers.Wait()
	if second.url = first.url; len(second.stored(t, client)) != 21 {
		t.Errorf("stored are %q", second.stored(t, client))
	}
}

// notified is a service manager that listens for messages.
type notified struct {
	socket string
	said   *awaited // each message in brackets
}

func listenNotified(t *testing.T) *notified {
	t.Helper()
	n := &notified{filepath.Join(t.TempDir(), "n"), newAwaited()}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: n.socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		for b := make([]byte, 4096); ; {
			k, err := conn.Read(b)
			if err != nil {
				return
			}
			_, _ = n.said.Write([]byte("[" + string(b[:k]) + "]\n")) // it never fails
		}
	}()
	return n
}

// TestServeTellsItsSupervisorWhatItDoes, as sd_notify(3) describes.
func TestServeTellsItsSupervisorWhatItDoes(t *testing.T) {
	n := listenNotified(t)
	r := runServe(t, "tidings", []string{"NOTIFY_SOCKET=" + n.socket, "WATCHDOG_USEC=50000"})
	n.said.await(t, `^\[READY=1\]\n`)
	n.said.await(t, `\[WATCHDOG=1\]\n`)
	r.installScript(t, "exit 3")
	r.signal(t, syscall.SIGUSR2)
	n.said.await(t, `\[RELOADING=1\nMONOTONIC_USEC=\d+\]\n`)
	n.said.await(t, `\[READY=1\nSTATUS=The restart failed, and process \d+ serves on: the new process ended before it was prepared: exit status 3\]\n`)
	r.install(t, "tidings")
	r.restart(t)
	n.said.await(t, fmt.Sprintf(`\[MAINPID=%d\nREADY=1\nSTATUS=\]\n(?s).*\[WATCHDOG=1\]`, r.pid))
	r.stop(t)
	n.said.await(t, `\[STOPPING=1\]\n`)
	if text, _ := n.said.now(); strings.Count(text, "STOPPING") != 1 {
		t.Errorf("the process that was replaced has said that it stops:\n%s", text)
	}
}

// TestWatchdogOfAnotherProcessIsLeftAlone.
func TestWatchdogOfAnotherProcessIsLeftAlone(t *testing.T) {
	for pid, want := range map[string]bool{"": true, "1": false, fmt.Sprint(os.Getpid()): true} {
		s := supervisorOf(environ{"NOTIFY_SOCKET=/nowhere", "WATCHDOG_USEC=1000000", "WATCHDOG_PID=" + pid}, nil)
		if got := s.watchdog != 0; got != want {
			t.Errorf("WATCHDOG_PID=%s: %t", pid, got)
		}
	}
}
