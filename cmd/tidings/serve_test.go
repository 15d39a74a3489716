package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/alecthomas/kong"
)

// patience is with what should happen at once.
const patience = 30 * time.Second

// awaited is what a program writes. Tests wait for it.
type awaited struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{} // closed by the next Write
}

func newAwaited() *awaited { return &awaited{changed: make(chan struct{})} }

func (a *awaited) Write(b []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	close(a.changed)
	a.changed = make(chan struct{})
	return a.text.Write(b)
}

func (a *awaited) now() (string, <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.text.String(), a.changed
}

// await waits until a pattern is in what was written, and returns what it matches.
func (a *awaited) await(t *testing.T, pattern string) string {
	t.Helper()
	enough := time.After(patience)
	for {
		text, changed := a.now()
		if match := regexp.MustCompile(pattern).FindString(text); match != "" {
			return match
		}
		select {
		case <-changed:
		case <-enough:
			t.Fatalf("%s was never written, but\n%s", pattern, text)
		}
	}
}

// served is tidings serve, running.
type served struct {
	out, log *awaited
	url      string
	stop     func() // and wait
}

// startServe runs tidings serve in memory, on a port that the system chooses unless args say otherwise.
func startServe(t *testing.T, env environ, args ...string) *served {
	t.Helper()
	return startServing(t, env, append([]string{"--memory"}, args...)...)
}

// startServeIn does so with its events in a directory.
func startServeIn(t *testing.T, dir string, env environ, args ...string) *served {
	t.Helper()
	return startServing(t, env, append([]string{"--data", dir}, args...)...)
}

func startServing(t *testing.T, env environ, args ...string) *served {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	s := &served{out: newAwaited(), log: newAwaited()}
	p := program{stdio: stdio{in: strings.NewReader(""), out: s.out, err: s.log}, environ: env}
	ended := make(chan int, 1)
	go func() { ended <- p.run(ctx, append([]string{"serve", "--addr", "localhost:0"}, args...)) }()
	s.stop = sync.OnceFunc(func() {
		cancel()
		if code := <-ended; code != 0 {
			text, _ := s.log.now()
			t.Errorf("tidings serve ends with exit code %d:\n%s", code, text)
		}
	})
	t.Cleanup(s.stop)
	line := s.out.await(t, `tidings serve listens on \S+, .*\n`)
	s.url = strings.TrimSuffix(strings.Fields(line)[4], ",")
	if n := strings.Count(line, "\n"); n != 1 {
		t.Errorf("it says %d lines", n)
	}
	return s
}

// ask sends a request and returns the answer, whose body was read.
func ask(t *testing.T, client *http.Client, method, url, body string, header ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(text)
}

// writePair writes a certificate of a number for localhost, and its key.
func writePair(t *testing.T, dir string, number int64) (certFile, keyFile string) {
	t.Helper()
	return writeCertificate(t, dir, &x509.Certificate{
		SerialNumber: big.NewInt(number), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	})
}

// writeCertificate writes a certificate for localhost that is signed by itself, and its key.
func writeCertificate(t *testing.T, dir string, template *x509.Certificate) (certFile, keyFile string) {
	t.Helper()
	template.DNSNames = []string{"localhost"}
	if template.SerialNumber == nil {
		template.SerialNumber = big.NewInt(1)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: cert}, keyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

// clientOf returns a client with connections of its own, that takes any certificate.
func clientOf(t *testing.T, change func(*http.Transport)) *http.Client {
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	if change != nil {
		change(transport)
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

// serial returns the number of the certificate that a new connection gets.
func serial(t *testing.T, url string) int64 {
	t.Helper()
	answer, _ := ask(t, clientOf(t, nil), http.MethodGet, url+"/api/v1/topics", "")
	return answer.TLS.PeerCertificates[0].SerialNumber.Int64()
}

func TestServeSpeaksHTTP2OverTLSAndHTTP1(t *testing.T) {
	cert, key := writePair(t, t.TempDir(), 1)
	s := startServe(t, nil, "--tls-cert", cert, "--tls-key", key)
	if !strings.HasPrefix(s.url, "https://localhost:") {
		t.Errorf("it listens on %s", s.url)
	}
	for want, change := range map[string]func(*http.Transport){
		"HTTP/2.0": nil,
		"HTTP/1.1": func(tr *http.Transport) {
			tr.ForceAttemptHTTP2 = false
			tr.TLSClientConfig.NextProtos = []string{"http/1.1"}
		},
	} {
		answer, text := ask(t, clientOf(t, change), http.MethodPost, s.url+"/events/news", "hello")
		if answer.StatusCode != http.StatusOK || answer.Proto != want {
			t.Errorf("%s %s, want 200 %s: %s", answer.Proto, answer.Status, want, text)
		}
	}
	old := &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11}
	if conn, err := tls.Dial("tcp", strings.TrimPrefix(s.url, "https://"), old); err == nil {
		_ = conn.Close()
		t.Error("it speaks TLS 1.1")
	}
}

// A certificate is renewed while the hub runs, and its two files never change at one instant.
func TestServeTakesANewCertificateWhenThereIsOne(t *testing.T) {
	dir := t.TempDir()
	cert, key := writePair(t, dir, 1)
	s := startServe(t, nil, "--tls-cert", cert, "--tls-key", key)
	if got := serial(t, s.url); got != 1 {
		t.Fatalf("certificate %d, want 1", got)
	}
	hangup(t)
	s.log.await(t, "the certificate is replaced.*localhost")

	if err := os.WriteFile(key, []byte("half a ke"), 0o600); err != nil {
		t.Fatal(err)
	}
	hangup(t)
	s.log.await(t, "the certificate is not replaced.*"+regexp.QuoteMeta(key))
	if got := serial(t, s.url); got != 1 {
		t.Errorf("certificate %d while the new one is of no use, want 1", got)
	}

	writePair(t, dir, 2)
	hangup(t)
	s.log.await(t, "(?s)not replaced.*certificate is replaced")
	if got := serial(t, s.url); got != 2 {
		t.Errorf("certificate %d, want 2", got)
	}
}

func TestServeWithoutACertificateThatCanBeUsedDoesNotStart(t *testing.T) {
	dir := t.TempDir()
	cert, key := writePair(t, dir, 1)
	for want, args := range map[string][]string{
		"--tls-cert and --tls-key go together":           {"--tls-cert", cert},
		"--h2c is HTTP/2 without TLS":                    {"--tls-cert", cert, "--tls-key", key, "--h2c"},
		"cannot be used: open " + dir + "/none: no such": {"--tls-cert", dir + "/none", "--tls-key", key},
		"cannot be used: tls: ":                          {"--tls-cert", key, "--tls-key", cert},
	} {
		code, out, complaint := say(t, append([]string{"serve", "--addr", "localhost:0"}, args...)...)
		if code == 0 || out != "" || !strings.Contains(complaint, want) {
			t.Errorf("%q: exit code %d, output %q, %s\nwant %s", args, code, out, complaint, want)
		}
	}
}

func TestServeTakesHTTP2WithoutTLSOnlyIfToldTo(t *testing.T) {
	h2c := func(tr *http.Transport) {
		tr.Protocols = new(http.Protocols)
		tr.Protocols.SetUnencryptedHTTP2(true)
	}
	s := startServe(t, nil, "--h2c")
	for want, change := range map[string]func(*http.Transport){"HTTP/2.0": h2c, "HTTP/1.1": nil} {
		if answer, _ := ask(t, clientOf(t, change), http.MethodPost, s.url+"/events/news", "hello"); answer.StatusCode != http.StatusOK || answer.Proto != want {
			t.Errorf("%s %s, want 200 %s", answer.Proto, answer.Status, want)
		}
	}
	s = startServe(t, nil)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/api/v1/topics", nil)
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := clientOf(t, h2c).Do(r); err == nil {
		_ = answer.Body.Close()
		t.Errorf("without --h2c: %s", answer.Status)
	}
}

func throughSocket(path string) func(*http.Transport) {
	return func(tr *http.Transport) {
		tr.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}
	}
}

func TestServeListensOnASocketInTheFileSystem(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.sock")
	s := startServe(t, nil, "--addr", "unix:"+path, "--socket-mode", "0600")
	if s.url != "unix:"+path {
		t.Errorf("it listens on %s", s.url)
	}
	s.out.await(t, regexp.QuoteMeta("curl -N --unix-socket "+path+" http://localhost/events/news"))
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v (%v), want 0600", info.Mode(), err)
	}
	client := clientOf(t, throughSocket(path))
	if answer, text := ask(t, client, http.MethodPost, "http://localhost/events/news", "hello"); answer.StatusCode != http.StatusOK {
		t.Errorf("%s %s", answer.Status, text)
	}
	code, _, complaint := say(t, "serve", "--memory", "--addr", "unix:"+path)
	if code != exitFailure || !strings.Contains(complaint, path+" is in use by another program") {
		t.Errorf("a second hub on it: exit code %d, %s", code, complaint)
	}
	client.CloseIdleConnections()
	s.stop()
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
}

// A hub that went away removed the socket of the one that had taken its place.
func TestServeLeavesTheSocketOfItsSuccessorAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.sock")
	first, err := listenUnix(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil { // as one does that found nobody listening a moment ago
		t.Fatal(err)
	}
	second, err := listenUnix(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("nobody finds the second one: %v", err)
	}
	if err := second.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("its socket is still there: %v", err)
	}
}

// TestNobodyConnectsToASocketBeforeItHasItsMode: between listening and that the umask said who may.
func TestNobodyConnectsToASocketBeforeItHasItsMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.sock")
	stop, looked := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(looked)
		for {
			if info, err := os.Lstat(path); err == nil && info.Mode().Perm() != 0o600 {
				t.Errorf("its mode was %v", info.Mode())
				return
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	for range 100 {
		l, err := listenUnix(path, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	<-looked
}

// TestOfHubsThatBeginTogetherOneHasTheSocket: each took what the other had just made for what a killed one had left, and removed it.
func TestOfHubsThatBeginTogetherOneHasTheSocket(t *testing.T) {
	for range 20 {
		path := filepath.Join(t.TempDir(), "hub.sock")
		stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
		if err != nil {
			t.Fatal(err)
		}
		stale.SetUnlinkOnClose(false)
		if err := stale.Close(); err != nil {
			t.Fatal(err)
		}
		got := make(chan net.Listener, 8)
		var begun sync.WaitGroup
		for range cap(got) {
			begun.Go(func() {
				if l, err := listenUnix(path, 0o600); err == nil {
					got <- l
				}
			})
		}
		begun.Wait()
		close(got)
		n := 0
		for l := range got {
			n++
			if conn, err := net.Dial("unix", path); err != nil {
				t.Errorf("nobody finds it: %v", err)
			} else {
				_ = conn.Close() // it was only a question
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		}
		if n != 1 {
			t.Fatalf("%d listen", n)
		}
	}
}

// TestAHubThatWasKilledWhileItBeganIsInNobodysWay, but for a moment in which it might live.
func TestAHubThatWasKilledWhileItBeganIsInNobodysWay(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.sock")
	if err := os.Mkdir(path+".new", 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := listenUnix(path, 0o600); err == nil || !strings.Contains(err.Error(), "another program") {
		t.Errorf("at once: %v", err)
	}
	old := time.Now().Add(-time.Minute)
	if err := os.Chtimes(path+".new", old, old); err != nil {
		t.Fatal(err)
	}
	l, err := listenUnix(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// A hub that was killed leaves its socket behind.
func TestServeRemovesASocketThatNobodyUsesAndNothingElse(t *testing.T) {
	dir := t.TempDir()
	stale := filepath.Join(dir, "stale.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	startServe(t, nil, "--addr", "unix:"+stale)

	file := filepath.Join(dir, "diary")
	if err := os.WriteFile(file, []byte("dear"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, complaint := say(t, "serve", "--memory", "--addr", "unix:"+file)
	if text, err := os.ReadFile(file); code != exitFailure || !strings.Contains(complaint, "no socket") || err != nil || string(text) != "dear" {
		t.Errorf("exit code %d, %s; the file has %q (%v)", code, complaint, text, err)
	}
	for _, addr := range []string{"unix:", "unix:" + filepath.Join(dir, "no/such/dir.sock")} {
		if code, out, complaint := say(t, "serve", "--memory", "--addr", addr); code == 0 || out != "" {
			t.Errorf("--addr %s: exit code %d, %s", addr, code, complaint)
		}
	}
}

func TestServeLetsNoOtherMachineInWithoutAKey(t *testing.T) {
	secret := environ{"TIDINGS_KEY=" + testSecret}
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		addr    string
		refused bool
	}{
		{"0.0.0.0:0", true},
		{"[::]:0", true},
		{"192.0.2.1:3000", true},
		{name + ":3000", true},
		{"localhost:0", false},
		{":0", false},
		{"127.0.0.1:0", false},
		{"127.9.9.9:3000", false},
		{"[::1]:0", false},
		{"unix:hub.sock", false},
	} {
		for _, allowed := range []struct {
			env  environ
			args []string
		}{{nil, nil}, {nil, []string{"--insecure"}}, {secret, nil}, {nil, []string{"--jwks-url", "https://id.example/keys"}}} {
			var line struct {
				Serve serveFlags `cmd:""`
			}
			parser := kong.Must(&line, kong.Bind(allowed.env))
			if _, err := parser.Parse(append([]string{"serve", "--addr", test.addr}, allowed.args...)); err != nil {
				t.Fatal(err)
			}
			err := line.Serve.check(allowed.env)
			if safe := !test.refused || len(allowed.env)+len(allowed.args) > 0; safe != (err == nil) {
				t.Errorf("--addr %s %s with %d variables: %v", test.addr, allowed.args, len(allowed.env), err)
			}
		}
	}
	code, out, complaint := say(t, "serve", "--memory", "--addr", "0.0.0.0:0")
	if code != exitUsage || out != "" || !strings.Contains(complaint, "--key-file") || !strings.Contains(complaint, "--insecure") {
		t.Errorf("exit code %d, output %q, %s", code, out, complaint)
	}
}

// TestHangupEndsNoHubThatHasNothingToReadAgain: who asked it to read its files again ended it.
func TestHangupEndsNoHubThatHasNothingToReadAgain(t *testing.T) {
	s := startServe(t, nil)
	hangup(t)
	s.log.await(t, "msg=\"SIGHUP: there is no certificate")
	if answer, text := ask(t, clientOf(t, nil), http.MethodPost, s.url+"/events/news", "still here"); answer.StatusCode != http.StatusOK {
		t.Errorf("%s %s", answer.Status, text)
	}
}

// hangup sends this process SIGHUP.
func hangup(t *testing.T) {
	t.Helper()
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Signal(syscall.SIGHUP)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestServeBoundsWhatSomebodyMayAskFor(t *testing.T) {
	s := startServe(t, environ{"TIDINGS_MAX_TOPICS=2"}, "--max-event", "10")
	for _, test := range []struct {
		method, path, body string
		want               int
	}{
		{http.MethodGet, "/events?poll=1&topic=a&topic=b", "", http.StatusOK},
		{http.MethodGet, "/events?poll=1&topic=a&topic=b&topic=c", "", http.StatusBadRequest},
		{http.MethodPost, "/events/a", "ten bytes.", http.StatusOK},
		{http.MethodPost, "/events/a", "eleven byte", http.StatusRequestEntityTooLarge},
	} {
		if answer, text := ask(t, clientOf(t, nil), test.method, s.url+test.path, test.body); answer.StatusCode != test.want {
			t.Errorf("%s %s: %s %s", test.method, test.path, answer.Status, text)
		}
	}
}

// TestServeSaysWhatIsWrongWithAnAddress: of one without a port, or with a name that nobody knows, it said that it lets other machines in.
func TestServeSaysWhatIsWrongWithAnAddress(t *testing.T) {
	for addr, want := range map[string]string{
		"localhost":        "there is no port in it\nhint: --addr localhost:3000\n",
		"::1":              "there is no port in it\nhint: --addr [::1]:3000\n",
		"localhost:99999":  "99999 is no port",
		"localhost:http":   "http is no port",
		"no..host:3002":    "the name no..host cannot be resolved",
		"http://localhost": "is not HOST:PORT",
	} {
		if code, out, complaint := say(t, "serve", "--memory", "--addr", addr); code == 0 || out != "" || !strings.Contains(complaint, want) {
			t.Errorf("--addr %s: exit code %d, %s, want %s", addr, code, complaint, want)
		}
		if addr == "no..host:3002" { // it is refused as another machine
			continue
		}
		want = strings.ReplaceAll(want, "--addr", "--admin-addr")
		code, _, complaint := say(t, "serve", "--memory", "--addr", "localhost:0", "--admin-addr", addr)
		if code == 0 || !strings.HasPrefix(complaint, "tidings: --admin-addr ") || !strings.Contains(complaint, want) || strings.Contains(complaint, "--addr") {
			t.Errorf("--admin-addr %s: exit code %d, %s, want %s", addr, code, complaint, want)
		}
	}
}

// TestASocketTakesNothingOfOthersAway: what has the name of its directory, and is none, stays.
func TestASocketTakesNothingOfOthersAway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	theirs := filepath.Join(path+".new", "thesis")
	if err := os.Mkdir(path+".new", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(theirs, []byte("years of work"), 0o600); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path+".new", old, old); err != nil {
		t.Fatal(err)
	}
	if _, err := listenUnix(path, 0o600); err == nil {
		t.Error("it listens")
	}
	if _, err := os.Stat(theirs); err != nil {
		t.Error(err)
	}
}

// TestTheNameOfASocketIsBounded, and who names a longer one is told by how much.
func TestTheNameOfASocketIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), strings.Repeat("x", 107))
	if _, err := listenUnix(path, 0o600); err == nil || !strings.Contains(err.Error(), "at most 101") {
		t.Errorf("%v", err)
	}
}
