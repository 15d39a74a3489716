package fanout

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// plainAddr lets the test binary run as the net/http server.
const plainAddr = "TIDINGS_FANOUT_PLAIN"

func TestMain(m *testing.M) {
	if addr := os.Getenv(plainAddr); addr != "" {
		l := &loop{followers: make(map[chan string]bool)}
		serve := http.HandlerFunc(l.ServeHTTP)
		if os.Getenv(zipped) != "" {
			serve = l.serveZipped
		}
		fmt.Fprintln(os.Stderr, http.ListenAndServe(addr, serve))
		os.Exit(1)
	}
	os.Exit(measure(m))
}

// scratch is the directory for built programs.
var scratch string

func measure(m *testing.M) int {
	var err error
	if scratch, err = os.MkdirTemp("", "tidings-fanout"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	return m.Run()
}

func plain(b *testing.B, port int) []string {
	return []string{"env", fmt.Sprintf("%s=127.0.0.1:%d", plainAddr, port), os.Args[0]}
}

// loop is the simplest hub: a goroutine and a channel for each subscriber, and one topic. It drops events if a channel is full.
type loop struct {
	mu        sync.Mutex
	followers map[chan string]bool // guarded by mu
}

func (l *loop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		l.publish(r.Body)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	frames := make(chan string, 1000)
	l.set(frames, true)
	defer l.set(frames, false)
	out := http.NewResponseController(w)
	for out.Flush() == nil {
		select {
		case frame := <-frames:
			_, _ = io.WriteString(w, frame) // an error is Flush's, too
		case <-r.Context().Done():
			return
		}
	}
}

func (l *loop) set(frames chan string, there bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if there {
		l.followers[frames] = true
	} else {
		delete(l.followers, frames)
	}
}

func (l *loop) publish(body io.Reader) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for lines := bufio.NewScanner(body); lines.Scan(); {
		for frames := range l.followers {
			select {
			case frames <- "data: " + lines.Text() + "\n\n":
			default:
			}
		}
	}
}

// found returns the path of a program or module, "" if it is in none of these places.
func found(names ...string) string {
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
		if _, err := os.Stat(name); err == nil {
			return name
		}
	}
	return ""
}

// nchanConfig has one worker process, because each contestant has one core.
const nchanConfig = `load_module %s;
daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
user root;
pid nginx.pid;
error_log stderr crit;
events { worker_connections 19900; }
http {
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  client_body_buffer_size 1m;
  keepalive_requests 1000000000;
  nchan_shared_memory_size 512m;
  server {
    listen 127.0.0.1:%d backlog=4096%s;
    location ~ ^/pub/(.+)$ {
      nchan_publisher http;
      nchan_channel_id $1;
      nchan_message_buffer_length 1000;
      nchan_message_timeout 10m;
    }
    location ~ ^/sub/(.+)$ {
      nchan_subscriber eventsource;
      nchan_channel_id $1;
      nchan_subscriber_first_message newest;
    }
  }
}
`

func nchan(b *testing.B, port int) []string { return nchanListening(b, port, "") }

// nchanListening is Nchan with more parameters and directives after those of its port.
func nchanListening(b *testing.B, port int, more string) []string {
	nginx, module := found("nginx", "/usr/sbin/nginx"), found("/usr/lib/nginx/modules/ngx_nchan_module.so")
	if nginx == "" || module == "" {
		return nil
	}
	dir := b.TempDir()
	config := fmt.Sprintf(nchanConfig, module, port, more)
	if os.Getuid() != 0 {
		config = strings.Replace(config, "user root;\n", "", 1)
	}
	return []string{nginx, "-p", dir, "-e", "stderr", "-c", written(b, dir, "nginx.conf", config)}
}

func nchanFlags(port int) []string {
	return nchanFlagsAt(fmt.Sprintf("http://127.0.0.1:%d", port))
}

func nchanFlagsAt(base string) []string {
	return []string{"--subscribe", base + "/sub/{topic}", "--publish", base + "/pub/{topic}"}
}

const centrifugoConfig = `{
  "http_server": {"address": "127.0.0.1", "port": "%d"%s},
  "client": {"insecure": true, "allow_anonymous_connect_without_token": true},
  "http_api": {"insecure": true},
  "uni_sse": {"enabled": true},
  "log": {"level": "error"}
}
`

func centrifugo(b *testing.B, port int) []string { return centrifugoServing(b, port, "") }

// centrifugoServing is Centrifugo with more settings of its server.
func centrifugoServing(b *testing.B, port int, more string) []string {
	path := found("centrifugo")
	if path == "" {
		return nil
	}
	return []string{path, "-c", written(b, b.TempDir(), "config.json", fmt.Sprintf(centrifugoConfig, port, more))}
}

func centrifugoFlags(port int) []string {
	return centrifugoFlagsAt(fmt.Sprintf("http://127.0.0.1:%d", port))
}

func centrifugoFlagsAt(base string) []string {
	return []string{
		"--subscribe", base + "/connection/uni_sse?cf_connect=%7B%22subs%22:%7B%22{topic}%22:%7B%7D%7D%7D",
		"--publish", base + "/api/publish", "--data", `{"channel":"{topic}","data":{"text":"{data}"}}`,
	}
}

func written(b *testing.B, dir, name, text string) string {
	b.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	return path
}
