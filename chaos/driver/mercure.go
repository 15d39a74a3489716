package driver

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/tidings-sse/tidings/chaos/history"
	"github.com/tidings-sse/tidings/sse"
)

// Mercure starts one hub of Mercure (https://mercure.rocks) with its history in a file. The program has to be given, because the Go module
// proxy does not have it. Its identifiers have no order, so the history at the end defines the order of events.
type Mercure struct {
	Config

	address string
}

// mercureKey signs the tokens of publishers.
const mercureKey = "a key that only this run of chaos has, and nobody else"

// NewMercure returns a hub.
func NewMercure(c Config) (*Mercure, error) {
	if c.Binary == "" || c.Hubs != 1 {
		return nil, errors.New("mercure needs the path of its program, and runs with one hub")
	}
	address, err := c.address(1)
	return &Mercure{c, address}, err
}

// Nodes implements [Driver].
func (m *Mercure) Nodes() []Node {
	dir := filepath.Join(m.Dir, "mercure")
	config := fmt.Sprintf(`{
	auto_https off
	admin off
}
http://%s {
	route {
		mercure {
			transport_url bolt://%s/updates.db?size=0
			publisher_jwt %q HS256
			anonymous
			heartbeat 5s
		}
		respond /healthz 200
	}
}
`, m.address, dir, mercureKey)
	return []Node{{
		Name: "mercure", Hub: 1, Dirs: []string{dir},
		Start: func() (*exec.Cmd, error) {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return nil, err
			}
			file := filepath.Join(m.Dir, "Caddyfile")
			return exec.Command(m.Binary, "run", "--config", file), os.WriteFile(file, []byte(config), 0o600)
		},
		Ready: func(ctx context.Context) bool { return probe(ctx, "http://"+m.address+"/healthz") },
	}}
}

// Features implements [Driver].
func (m *Mercure) Features() Features {
	return Features{Promise: history.Promise{Durable: true, Opaque: true, EqualDumps: true}, ManyTopics: true}
}

func (m *Mercure) url(query url.Values) string {
	return "http://" + m.address + "/.well-known/mercure?" + query.Encode()
}

// Publish implements [Driver]. The name is the identifier.
func (m *Mercure) Publish(ctx context.Context, _ int, events []Sent) (*http.Request, error) {
	form := url.Values{"topic": events[0].Topics, "data": {events[0].Data}, "id": {events[0].Name}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.url(nil), strings.NewReader(form.Encode()))
	if err == nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Authorization", "Bearer "+signed(`{"mercure":{"publish":["*"]}}`, mercureKey))
	}
	return req, err
}

// signed returns a token with HS256 (RFC 7515, section 3.1).
func signed(claims, key string) string {
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// Answer implements [Driver].
func (m *Mercure) Answer(status int, _ []byte, _ []Sent) (history.Outcome, []history.Position) {
	if status == http.StatusOK {
		return history.OK, nil
	}
	return history.Unknown, nil
}

// Subscribe implements [Driver].
func (m *Mercure) Subscribe(ctx context.Context, _ int, sel history.Selection, after map[string]history.Position) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.url(url.Values{"topic": sel.Exact}), nil)
	if p, ok := after[""]; err == nil && ok {
		req.Header.Set("Last-Event-ID", p.Gen)
	}
	return req, err
}

// Opened implements [Opener]: the header has the position at which the stream begins. It is another one if the hub no longer knows the
// position that was asked for.
func (m *Mercure) Opened(header http.Header, after map[string]history.Position) []Seen {
	if p, ok := after[""]; ok && header.Get("Last-Event-ID") != p.Gen {
		return []Seen{{Kind: history.Gap, Why: "begins after " + header.Get("Last-Event-ID")}}
	}
	return nil
}

// Parse implements [Driver].
func (m *Mercure) Parse(e sse.Event, _ map[string]history.Position) ([]Seen, error) {
	return []Seen{{Kind: history.Event, ID: &history.Position{Gen: e.ID}, Data: e.Data}}, nil
}

// Replace implements [Driver].
func (m *Mercure) Replace(context.Context, int) error { return nil }

// Dump implements [Driver]: the whole history, until nothing comes for two seconds.
func (m *Mercure) Dump(ctx context.Context, hub int, topics []string) (entries []history.Entry, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req, err := m.Subscribe(ctx, hub, history.Selection{Exact: topics}, map[string]history.Position{"": {Gen: "earliest"}})
	if err != nil {
		return nil, err
	}
	resp, err := probes.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	quiet := time.AfterFunc(2*time.Second, cancel)
	defer quiet.Stop()
	for d := sse.NewDecoder(io.Reader(resp.Body), nil); d.Next(); quiet.Reset(2 * time.Second) {
		name, err := NameOf(string(d.Data()))
		if err != nil {
			return nil, err
		}
		id := history.Position{Seq: uint64(len(entries) + 1)}
		entries = append(entries, history.Entry{Kind: history.Dump, Hub: hub, ID: &id, Name: name})
	}
	return entries, nil
}
