package natslog_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tidings-sse/tidings/eventlog/cluster"
	"github.com/tidings-sse/tidings/eventlog/cluster/natslog"
)

func TestOpenRefusesWhatCannotWork(t *testing.T) {
	s := start(t, func(o *server.Options) { o.Username, o.Password = "hub", "secret" })
	own := strings.Replace(s.ClientURL(), "//", "//hub:secret@", 1)
	tests := map[string]struct {
		urls string
		o    natslog.Options
		says string
	}{
		"stream with a dot":        {own, natslog.Options{Stream: "a.b"}, `"a.b" is not the name of a stream`},
		"stream with a wildcard":   {own, natslog.Options{Stream: "a*"}, "is not the name"},
		"six replicas":             {own, natslog.Options{Replicas: 6}, "6 replicas"},
		"negative replicas":        {own, natslog.Options{Replicas: -1}, "-1 replicas"},
		"credentials are missing":  {own, natslog.Options{Credentials: filepath.Join(t.TempDir(), "none")}, "cannot be read"},
		"no user":                  {s.ClientURL(), natslog.Options{}, "refuses the user"},
		"wrong password":           {strings.Replace(own, "secret", "wrong", 1), natslog.Options{}, "refuses the user"},
		"not an address":           {"://", natslog.Options{}, `"://" is not an address of NATS`},
		"no address":               {"", natslog.Options{}, "is not an address"},
		"address of a web server":  {"https://a", natslog.Options{}, "is not an address"},
		"address without a host":   {"nats://a:4222,nats://", natslog.Options{}, "is not an address"},
		"address and token":        {"nats://secret@a:x", natslog.Options{}, `"nats://xxxxx@a:x"`},
		"address and password":     {"nats://hub:secret@a:x", natslog.Options{}, `"nats://hub:xxxxx@a:x"`},
		"message larger than NATS": {own, natslog.Options{MaxMessage: 16 << 20}, "takes messages of at most 1047552 bytes, and this hub needs 16777216: raise max_payload in its configuration to 16778240"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			order, err := natslog.Open(t.Context(), test.urls, &test.o)
			if err == nil {
				_ = order.Close()
			}
			if err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "hub:secret") {
				t.Errorf("error %v, want %q and no password", err, test.says)
			}
		})
	}
}

// TestOpenWaitsForAServerThatStartsLater: after a power failure, hubs and servers start at the same time.
func TestOpenWaitsForAServerThatStartsLater(t *testing.T) {
	port := freePort(t)
	waiting := make(chan string, 1)
	logger := slog.New(slog.NewTextHandler(writer(func(line string) {
		select {
		case waiting <- line:
		default:
		}
	}), nil))
	opened := make(chan error)
	var order *natslog.Order
	go func() {
		var err error
		order, err = natslog.Open(t.Context(), "nats://127.0.0.1:"+strconv.Itoa(port), &natslog.Options{Logger: logger})
		opened <- err
	}()
	if line := <-waiting; !strings.Contains(line, "not reachable") {
		t.Errorf("logged %q", line)
	}
	start(t, func(o *server.Options) { o.Port = port })
	if err := <-opened; err != nil {
		t.Fatal(err)
	}
	_ = order.Close()
}

type writer func(string)

func (w writer) Write(p []byte) (int, error) {
	w(string(p))
	return len(p), nil
}

// busyServer is a server that answers the first ping of each connection with the next answer. Empty: it closes the connection.
type busyServer struct {
	answers []string
	running sync.WaitGroup
}

// InProcessConn implements [nats.InProcessConnProvider].
func (s *busyServer) InProcessConn() (net.Conn, error) {
	client, server := net.Pipe()
	answer := s.answers[0]
	s.answers = s.answers[1:]
	s.running.Go(func() {
		defer func() { _ = server.Close() }()
		if _, err := io.WriteString(server, `INFO {"server_id":"busy","version":"2.15.0","headers":true,"max_payload":1048576}`+"\r\n"); err != nil || answer == "" {
			return
		}
		for in := bufio.NewReader(server); ; {
			line, err := in.ReadString('\n')
			if err == nil && line == "PING\r\n" {
				_, err = io.WriteString(server, answer)
			}
			if err != nil {
				return
			}
		}
	})
	return client, nil
}

// TestOpenTriesAgainWhenABusyServerIsLate: a hub did not start on a busy machine, because its server needed two seconds for an answer.
func TestOpenTriesAgainWhenABusyServerIsLate(t *testing.T) {
	for name, late := range map[string]string{
		"its own ping comes first":     "PING\r\n",
		"it has not seen the user yet": "-ERR 'Authentication Timeout'\r\n",
		"it has closed the connection": "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &busyServer{answers: []string{late, "PONG\r\n"}}
			order, err := natslog.Open(t.Context(), nats.DefaultURL, &natslog.Options{Connect: []nats.Option{nats.InProcessServer(s)}})
			if err != nil {
				t.Fatal(err)
			}
			if err := order.Close(); err != nil {
				t.Error(err)
			}
			s.running.Wait()
		})
	}
}

func TestOpenGivesUpWithItsContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := natslog.Open(ctx, "nats://user:secret@127.0.0.1:1", nil)
	if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, nats.ErrNoServers) || strings.Contains(err.Error(), "secret") {
		t.Errorf("error %v", err)
	}
}

func TestCredentialsFileIsUsed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "hub.creds")
	if err := os.WriteFile(file, []byte("not credentials"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, func(o *server.Options) { o.AlwaysEnableNonce = true })
	if _, err := natslog.Open(t.Context(), s.ClientURL(), &natslog.Options{Credentials: file}); err == nil {
		t.Error("a file without credentials is accepted")
	}
}

// TestOnlyALeaderWithAMajorityAnswers: a leader that is cut off continues to lead for 10 s, and must not answer.
func TestOnlyALeaderWithAMajorityAnswers(t *testing.T) {
	replica := func(active time.Duration) *jetstream.PeerInfo { return &jetstream.PeerInfo{Active: active} }
	fresh, stale, never := replica(time.Second), replica(5*time.Second), replica(0)
	offline := &jetstream.PeerInfo{Active: time.Second, Offline: true}
	tests := map[string]struct {
		configured int
		cluster    *jetstream.ClusterInfo
		want       bool
	}{
		"single server":           {1, nil, true},
		"single server, cluster":  {1, &jetstream.ClusterInfo{Leader: "a"}, true},
		"all":                     {3, &jetstream.ClusterInfo{Leader: "a", Replicas: []*jetstream.PeerInfo{fresh, fresh}}, true},
		"two of three":            {3, &jetstream.ClusterInfo{Leader: "a", Replicas: []*jetstream.PeerInfo{fresh, stale}}, true},
		"one of three":            {3, &jetstream.ClusterInfo{Leader: "a", Replicas: []*jetstream.PeerInfo{stale, stale}}, false},
		"never heard of":          {3, &jetstream.ClusterInfo{Leader: "a", Replicas: []*jetstream.PeerInfo{never, never}}, false},
		"offline":                 {3, &jetstream.ClusterInfo{Leader: "a", Replicas: []*jetstream.PeerInfo{offline, offline}}, false},
		"replicas are not listed": {3, &jetstream.ClusterInfo{Leader: "a"}, false},
		"no leader":               {3, &jetstream.ClusterInfo{Replicas: []*jetstream.PeerInfo{fresh, fresh, fresh}}, false},
		"three of five":           {5, &jetstream.ClusterInfo{Leader: "a", Replicas: []*jetstream.PeerInfo{fresh, fresh, stale, stale}}, true},
		"two of four":             {4, &jetstream.ClusterInfo{Leader: "a", Replicas: []*jetstream.PeerInfo{fresh, stale, stale}}, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			info := &jetstream.StreamInfo{Config: jetstream.StreamConfig{Replicas: test.configured}, Cluster: test.cluster}
			if err := natslog.Led(info); (err == nil) != test.want {
				t.Errorf("error %v", err)
			}
		})
	}
}

// TestQuestionWithoutAnAnswerIsAskedAgain: a server that has just found the others sends the first question to none of them.
func TestQuestionWithoutAnAnswerIsAskedAgain(t *testing.T) {
	s := start(t, func(o *server.Options) { o.JetStream = false })
	order := open(t, s, nil)
	nc, err := nats.Connect(s.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	asked := 0
	_, err = nc.Subscribe("$JS.API.STREAM.INFO.tidings", func(m *nats.Msg) {
		if asked++; asked == 2 {
			_ = m.Respond([]byte(`{"error": {"code": 404, "err_code": 10059, "description": "stream not found"}}`)) // else the test fails
		}
	})
	if err == nil {
		err = nc.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := order.Bounds(t.Context()); !errors.Is(err, cluster.ErrMissing) {
		t.Errorf("Bounds returned %v, want the second answer", err)
	}
}
