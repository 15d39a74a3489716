//go:build !nonats

package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

func TestClusterFlagsThatDoNotFitAreRefused(t *testing.T) {
	key, short := writeFile(t, "key", strings.Repeat("k", 32)+"\n"), writeFile(t, "short", "secret\n")
	tests := map[string]struct {
		args []string
		says string
	}{
		"peers and NATS":              {[]string{"--cluster-peers=a", "--nats=nats://a"}, "a hub has one of them"},
		"peers and Redis":             {[]string{"--cluster-peers=a", "--redis=redis://a"}, "a hub has one of them"},
		"NATS and Redis":              {[]string{"--nats=nats://a", "--redis=redis://a"}, "a hub has one of them"},
		"listen without peers":        {[]string{"--cluster-listen=:4248"}, "--cluster-listen is for --cluster-peers, which is missing"},
		"name without a cluster":      {[]string{"--cluster-name=a"}, "--cluster-name is for"},
		"key without a cluster":       {[]string{"--cluster-key-file=" + key}, "--cluster-key-file is for"},
		"URL without a cluster":       {[]string{"--cluster-url=http://a"}, "--cluster-url is for"},
		"stream without NATS":         {[]string{"--nats-stream=a"}, "--nats-stream is for"},
		"stream with Redis":           {[]string{"--redis=redis://a", "--nats-stream=a"}, "--nats-stream is for"},
		"replicas without NATS":       {[]string{"--nats-replicas=3"}, "--nats-replicas is for"},
		"credentials with peers":      {[]string{"--cluster-peers=a", "--nats-creds=" + key}, "--nats-creds is for --nats, which is missing"},
		"durable with peers":          {[]string{"--cluster-peers=a", "--nats-durable"}, "--nats-durable is for --nats"},
		"memory":                      {[]string{"--cluster-peers=a", "--memory"}, "--memory is for a hub alone"},
		"six replicas":                {[]string{"--nats=nats://a", "--nats-replicas=6"}, "--nats-replicas is 6; it must be 1 to 5"},
		"negative replicas":           {[]string{"--nats=nats://a", "--nats-replicas=-1"}, "--nats-replicas"},
		"more replicas than peers":    {[]string{"--cluster-peers=a,b,c", "--cluster-key-file=" + key, "--nats-replicas=5"}, "there are 3 hubs"},
		"peers without a key":         {[]string{"--cluster-peers=a,b,c"}, "tidings cluster key cluster.key"},
		"a key that is not there":     {[]string{"--cluster-peers=127.0.0.1", "--cluster-key-file=" + key + "x"}, "tidings cluster key"},
		"a short key":                 {[]string{"--cluster-peers=127.0.0.1", "--cluster-key-file=" + short}, "has 6 bytes, and needs at least 32"},
		"a peer twice":                {[]string{"--cluster-peers=a,b,a:4248", "--cluster-key-file=" + key}, `the hub "a:4248" is twice`},
		"all addresses":               {[]string{"--cluster-peers=0.0.0.0,b,c", "--cluster-key-file=" + key}, "stands for every address"},
		"an empty peer":               {[]string{"--cluster-peers=a,,c", "--cluster-key-file=" + key}, `"" is not the address of a hub`},
		"a hub that is not in a list": {[]string{"--cluster-peers=203.0.113.1,203.0.113.2,203.0.113.3", "--cluster-key-file=" + key}, "--cluster-listen says which"},
		"which of several":            {[]string{"--cluster-peers=127.0.0.1:1,127.0.0.1:2,127.0.0.1:3", "--cluster-key-file=" + key}, "--cluster-listen says which"},
		"two names of one hub":        {[]string{"--cluster-peers=localhost,127.0.0.1,203.0.113.1", "--cluster-key-file=" + key}, "are the same hub"},
		"too large an event":          {[]string{"--cluster-peers=a", "--max-event=8MiB", "--max-body-memory=1GiB"}, "share events of at most 6.9 MiB"},
		"not a URL of a hub":          {[]string{"--cluster-peers=a", "--cluster-url=a:3000"}, "--cluster-url http://10.0.0.1:3000"},
		"a URL with a path":           {[]string{"--cluster-peers=a", "--cluster-url=http://a/hub"}, "is not the address of a hub"},
		"not an address of NATS":      {[]string{"--nats=http://a"}, "is not an address of NATS"},
		"NATS without a host":         {[]string{"--nats=nats://a,tls://"}, "is not an address of NATS"},
		"a certificate alone":         {[]string{"--cluster-peers=a", "--cluster-tls-cert=" + key}, "belong together"},
		"certificates with NATS":      {[]string{"--nats=nats://a", "--cluster-tls-cert=" + key, "--cluster-tls-key=" + key, "--cluster-tls-ca=" + key}, "--cluster-tls-cert is for --cluster-peers"},
		"no certificate of a CA":      {[]string{"--cluster-peers=127.0.0.1", "--cluster-key-file=" + key, "--cluster-tls-cert=" + key, "--cluster-tls-key=" + key, "--cluster-tls-ca=" + key}, "has no certificate in PEM"},
		"a stream with a dot":         {[]string{"--nats=nats://127.0.0.1:1", "--nats-stream=a.b"}, `"a.b" is not the name of a stream`},
		"credentials that are absent": {[]string{"--nats=nats://127.0.0.1:1", "--nats-creds=" + key + "x"}, "cannot be read"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"serve", "--addr=localhost:0"}, test.args...)
			if !strings.Contains(strings.Join(args, " "), "--memory") {
				args = append(args, "--data="+t.TempDir())
			}
			if code, out, complaint := say(t, args...); code == 0 || out != "" || !strings.Contains(complaint, test.says) {
				t.Errorf("exit code %d, %s%s, want %s", code, out, complaint, test.says)
			}
		})
	}
}

// TestHubDoesNotListenForClientsAtItsAddressForTheOtherHubs: the NATS server said that the address is in use, which was the hub's own.
func TestHubDoesNotListenForClientsAtItsAddressForTheOtherHubs(t *testing.T) {
	addr, key := freeAddr(t), writeFile(t, "key", strings.Repeat("k", 64))
	code, _, complaint := say(t, "serve", "--addr="+addr, "--data="+t.TempDir(), "--cluster-key-file="+key, "--cluster-peers="+addr+",203.0.113.2,203.0.113.3")
	if want := "--addr " + addr + " and --cluster-peers " + addr + " are one address; choose another port for one of them"; code == 0 || !strings.Contains(complaint, want) {
		t.Errorf("exit code %d, %s, want %s", code, complaint, want)
	}
}

// retained returns the data of a topic's events on a hub.
func retained(t *testing.T, url, topic string) string {
	t.Helper()
	_, text := askInContact(t, http.MethodGet, url+"/events/"+topic+"?since=earliest&poll=1", "")
	var data []string
	for line := range strings.Lines(text) {
		if text, ok := strings.CutPrefix(line, "data: "); ok && text != "{}\n" {
			data = append(data, strings.TrimSuffix(text, "\n"))
		}
	}
	return strings.Join(data, " ")
}

// askInContact sends a request to a hub of a cluster, and again while the hub answers 503, because it has no contact with the shared log: on a busy
// machine that takes some seconds.
func askInContact(t *testing.T, method, url, body string, header ...string) (answer *http.Response, text string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		answer, text = ask(t, http.DefaultClient, method, url, body, header...)
		if answer.StatusCode != http.StatusServiceUnavailable || !strings.Contains(text, `"urn:tidings:problem:unavailable"`) || time.Now().After(deadline) {
			return answer, text
		}
	}
}

// publishTo publishes an event once, and returns the answer. Its key makes it safe to send it again.
func publishTo(t *testing.T, url, topic, data string) (text string) {
	t.Helper()
	answer, text := askInContact(t, http.MethodPost, url+"/events/"+topic, data, "Idempotency-Key", rand.Text())
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("publishing to %s: %s %s", url, answer.Status, text)
	}
	return text
}

// resume reads from a position on another hub, which waits until its log has the position.
func resume(t *testing.T, url, topic, after string) (status int, text string) {
	t.Helper()
	answer, text := askInContact(t, http.MethodGet, url+"/events/"+topic+"?poll=1", "", "Last-Event-ID", after)
	return answer.StatusCode, text
}

func TestHubsWithPeersShareOneLog(t *testing.T) {
	key := writeFile(t, "key", strings.Repeat("k", 64))
	var peers []string
	for range 3 {
		peers = append(peers, freeAddr(t))
	}
	hubs := make([]*served, len(peers))
	var all sync.WaitGroup
	for i, peer := range peers {
		all.Go(func() {
			hubs[i] = startServeIn(t, t.TempDir(), nil, "--cluster-peers="+strings.Join(peers, ","), "--cluster-listen="+peer, "--cluster-key-file="+key,
				"--cluster-name=hub-"+fmt.Sprint(i), "--keep-bytes=16MiB")
		})
	}
	all.Wait()
	if t.Failed() {
		return
	}
	for i, h := range hubs {
		publishTo(t, h.url, "news", fmt.Sprint(i))
	}
	id := strings.Split(publishTo(t, hubs[0].url, "news", "last"), `"`)[3]
	for _, h := range hubs {
		if status, text := resume(t, h.url, "news", id); status != http.StatusOK || strings.Contains(text, "tidings.gap") {
			t.Errorf("resuming at another hub: %d %s", status, text)
		}
		if got := retained(t, h.url, "news"); got != "0 1 2 last" {
			t.Errorf("a hub has %q", got)
		}
	}
	for deadline := time.Now().Add(patience); ; { // the hubs announce themselves every 2 s
		code, out, complaint := say(t, "cluster", "status", hubs[1].url, "--format=table")
		if code == 0 && strings.Count(out, " ready ") == 3 && strings.Contains(out, "hub-0-") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("tidings cluster status: %d %s%s", code, out, complaint)
		}
	}
	others := stopLeader(t, hubs)
	for _, h := range others { // it has left cleanly, so it is no fault
		h.log.await(t, `level=INFO msg="a hub of the cluster has stopped" hub=hub-\d-\w{4} url=\S+ means="2 of 3 hubs that store the shared log are left; if one more goes, nothing can be published"`)
	}
	publishTo(t, others[0].url, "news", "without it")
	if got := retained(t, others[1].url, "news"); !strings.HasSuffix(got, "last without it") {
		publishTo(t, others[1].url, "other", "x") // the answer comes after the hub has all earlier events
		if got = retained(t, others[1].url, "news"); !strings.HasSuffix(got, "last without it") {
			t.Errorf("a hub has %q", got)
		}
	}
}

// stopLeader stops the hub that leads the shared log, and returns the others. Another hub leads before the first stream ends, so that publishers
// notice nothing.
func stopLeader(t *testing.T, hubs []*served) (others []*served) {
	t.Helper()
	i := awaitLeader(t, hubs[0].url)
	was := "hub-" + strconv.Itoa(i) + "-"
	others = slices.Delete(slices.Clone(hubs), i, i+1)
	var stream *http.Response
	eventually(t, "a stream of the leader", func() bool {
		answer, err := http.Get(hubs[i].url + "/events/news")
		if err != nil {
			t.Fatal(err)
		}
		if answer.StatusCode != http.StatusOK { // it has no contact with the shared log at the moment
			_ = answer.Body.Close()
			return false
		}
		stream = answer
		return true
	})
	defer stream.Body.Close()
	var stopping sync.WaitGroup
	stopping.Go(hubs[i].stop)
	if _, err := io.Copy(io.Discard, stream.Body); err != nil {
		t.Errorf("the stream breaks: %v", err)
	}
	var now []string // another hub may hear of the new leader a moment later than that hub itself
	for _, h := range others {
		now = append(now, leaderOf(t, h.url))
	}
	if !slices.ContainsFunc(now, func(name string) bool { return name != "" && !strings.HasPrefix(name, was) }) {
		t.Errorf("when the first stream of %s ends, %q lead the shared log, as the others know; want another one", was, now)
	}
	stopping.Wait()
	return others
}

// awaitLeader waits until a hub knows which of hub-0, hub-1 and so on leads the shared log, and returns its number.
func awaitLeader(t *testing.T, url string) int {
	t.Helper()
	var leader string
	eventually(t, "a leader of the shared log", func() bool { leader = leaderOf(t, url); return leader != "" })
	i, err := strconv.Atoi(strings.Split(leader, "-")[1])
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// leaderOf returns the name of the hub that leads the shared log, empty if there is none at the moment.
func leaderOf(t *testing.T, url string) string {
	t.Helper()
	_, text := ask(t, http.DefaultClient, http.MethodGet, url+"/api/v1/cluster", "")
	var answer struct {
		Log struct {
			Servers struct {
				StreamLeader string `json:"streamLeader"`
			} `json:"servers"`
		} `json:"log"`
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return answer.Log.Servers.StreamLeader
}

// TestHubAloneInItsClusterRestarts: a hub that is its own only peer, as in development, restarts. Without that flag it
// refuses to start.
func TestHubAloneInItsClusterRestarts(t *testing.T) {
	dir := t.TempDir()
	for i := range 2 {
		s := startServeIn(t, dir, nil, "--cluster-peers=localhost", "--keep-bytes=16MiB")
		publishTo(t, s.url, "news", fmt.Sprint(i))
		if got, want := retained(t, s.url, "news"), "0 1"[:1+2*i]; got != want {
			t.Errorf("after %d starts it has %q, want %q", i+1, got, want)
		}
		s.stop()
	}
	tests := map[string]struct {
		args []string
		says string
	}{
		"without a cluster":   {nil, "has the log of a hub in a cluster"},
		"with other settings": {[]string{"--cluster-peers=localhost", "--keep-bytes=32MiB"}, "has other settings than its cluster"},
		"with more hubs": {
			[]string{"--cluster-peers=127.0.0.1:1,127.0.0.1:2", "--cluster-listen=127.0.0.1:1", "--cluster-key-file=" + writeFile(t, "key", strings.Repeat("k", 64))},
			"was used without other hubs",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if code, out, complaint := say(t, append([]string{"serve", "--addr=localhost:0", "--data=" + dir}, test.args...)...); code == 0 || !strings.Contains(complaint, test.says) {
				t.Errorf("exit code %d, %s%s, want %s", code, out, complaint, test.says)
			}
		})
	}
}

func TestDirectoryOfAHubAloneIsRefusedByACluster(t *testing.T) {
	dir := t.TempDir()
	s := startServeIn(t, dir, nil)
	publishTo(t, s.url, "news", "0")
	s.stop()
	code, _, complaint := say(t, "serve", "--addr=localhost:0", "--data="+dir, "--cluster-peers=localhost")
	if code == 0 || !strings.Contains(complaint, "has the log of a hub alone") {
		t.Errorf("exit code %d, %s", code, complaint)
	}
	if _, err := os.Stat(filepath.Join(dir, "cluster.json")); err == nil {
		t.Error("the directory was changed")
	}
}

// startNATS starts a NATS server with JetStream, and returns its URL. It stops after the hubs that the test starts later. Hubs try its address until they
// stop, so the server of another test must not get that.
func startNATS(t *testing.T, user, password string) (url string) {
	t.Helper()
	at := netip.MustParseAddrPort(freeAddr(t))
	nats, err := server.NewServer(&server.Options{
		Host: at.Addr().String(), Port: int(at.Port()), JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true, Username: user, Password: password,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		nats.Shutdown()
		nats.WaitForShutdown()
	})
	nats.Start()
	return nats.ClientURL()
}

func TestHubsShareALogInNATS(t *testing.T) {
	url := strings.Replace(startNATS(t, "hub", "secret"), "//", "//hub:secret@", 1)
	if code, _, complaint := say(t, "serve", "--addr=localhost:0", "--data="+t.TempDir(), "--nats="+url); code == 0 || !strings.Contains(complaint, "hint: --max-event=959KiB fits") {
		t.Errorf("exit code %d, %s", code, complaint)
	}
	flags := []string{"--nats=" + url, "--nats-stream=hubs", "--keep-bytes=16MiB", "--max-event=959KiB", "--cluster-key-file=" + writeFile(t, "key", strings.Repeat("k", 64))}
	a := startServeIn(t, t.TempDir(), nil, flags...)
	publishTo(t, a.url, "news", "a")
	b := startServeIn(t, t.TempDir(), nil, flags...)
	publishTo(t, b.url, "news", "b")
	publishTo(t, a.url, "news", "c")
	if got := retained(t, a.url, "news"); got != "a b c" {
		t.Errorf("the hub has %q", got)
	}
	if text, _ := a.log.now(); strings.Contains(text, "secret") {
		t.Errorf("the password is logged:\n%s", text)
	}
	if code, _, complaint := say(t, "serve", "--addr=localhost:0", "--data="+t.TempDir(), "--nats-replicas=3", flags[0], flags[1], flags[2], flags[3]); code == 0 || !strings.Contains(complaint, "it has 1 replicas, and this hub is set to 3") {
		t.Errorf("exit code %d, %s", code, complaint)
	}
	if code, out, _ := say(t, "config", flags[0]); code != 0 || strings.Contains(out, "secret") {
		t.Errorf("tidings config prints the password: %s", out)
	}
}

func TestClusterKeyIsForItsOwner(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cluster.key")
	if code, out, complaint := say(t, "cluster", "key", file); code != 0 || !strings.Contains(out, "copy it to all hubs") {
		t.Fatalf("exit code %d, %s%s", code, out, complaint)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 || info.Size() != 65 {
		t.Errorf("the file: %v, %v", info, err)
	}
	if code, _, complaint := say(t, "cluster", "key", file); code == 0 || !strings.Contains(complaint, "exists") {
		t.Errorf("exit code %d, %s", code, complaint)
	}
	if _, out, _ := say(t, "cluster", "key", "-"); len(out) != 65 {
		t.Errorf("standard output has %q", out)
	}
}
