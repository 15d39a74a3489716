package driver

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/tidings-sse/tidings/chaos/history"
	"github.com/tidings-sse/tidings/sse"
)

// Centrifugo starts nodes of Centrifugo 6 (go install github.com/centrifugal/centrifugo/v6@latest) with unidirectional event streams, history
// and forced recovery: one node that keeps the history in memory, or several with a Redis (Debian's package redis-server). An order is a
// channel, and its generation the epoch.
type Centrifugo struct {
	Config

	addresses []string
	redis     string // the address of Redis; "" if there is none
	beside    []Node // Redis, if there is one
}

// NewCentrifugo returns one node without Redis.
func NewCentrifugo(c Config) (*Centrifugo, error) {
	if c.Hubs != 1 {
		return nil, errors.New("the history of centrifugo is in memory: use one hub, or centrifugo-redis")
	}
	return newCentrifugo(c)
}

// NewCentrifugoRedis returns nodes with a Redis that has the given arguments.
func NewCentrifugoRedis(c Config, persist ...string) (*Centrifugo, error) {
	d, err := newCentrifugo(c)
	if err != nil {
		return nil, err
	}
	node, address, err := c.redis(persist)
	d.redis, d.beside = address, []Node{node}
	return d, err
}

func newCentrifugo(c Config) (*Centrifugo, error) {
	d := &Centrifugo{Config: c}
	d.Binary = cmp.Or(c.Binary, "centrifugo")
	for hub := 1; hub <= c.Hubs; hub++ {
		address, err := c.address(hub)
		if err != nil {
			return nil, err
		}
		d.addresses = append(d.addresses, address)
	}
	return d, nil
}

// Nodes implements [Driver].
func (d *Centrifugo) Nodes() []Node {
	var nodes []Node
	for hub := 1; hub <= d.Hubs; hub++ {
		nodes = append(nodes, Node{
			Name: fmt.Sprintf("centrifugo%d", hub), Hub: hub,
			Start: func() (*exec.Cmd, error) { return d.command(hub) },
			Ready: func(ctx context.Context) bool { return probe(ctx, d.url(hub, "/health", nil)) },
			Grace: time.Minute, // it waits 30 s for open streams
		})
	}
	return append(nodes, d.beside...)
}

// command writes the configuration of a node, and returns its command.
func (d *Centrifugo) command(hub int) (*exec.Cmd, error) {
	host, port, err := net.SplitHostPort(d.addresses[hub-1])
	if err != nil {
		return nil, err
	}
	type object = map[string]any
	config := object{
		"http_server": object{"address": host, "port": port},
		"client":      object{"insecure": true, "allow_anonymous_connect_without_token": true, "ping_interval": "5s", "pong_timeout": "3s"},
		"channel": object{"without_namespace": object{
			"history_size": 1_000_000, "history_ttl": "24h", "force_recovery": true,
			"allow_subscribe_for_client": true, "allow_subscribe_for_anonymous": true,
		}},
		"http_api": object{"insecure": true}, "uni_sse": object{"enabled": true}, "health": object{"enabled": true},
		"log": object{"level": "info"},
	}
	if d.redis != "" {
		config["engine"] = object{"type": "redis", "redis": object{"address": "redis://" + d.redis}}
	}
	text, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(d.Dir, fmt.Sprintf("centrifugo%d.json", hub))
	return exec.Command(d.Binary, "-c", file), os.WriteFile(file, text, 0o600)
}

// Features implements [Driver].
func (d *Centrifugo) Features() Features {
	return Features{Promise: history.Promise{Durable: d.redis != "", Keys: true, EqualDumps: true}, Batches: true}
}

func (d *Centrifugo) url(hub int, path string, query url.Values) string {
	u := url.URL{Scheme: "http", Host: d.addresses[hub-1], Path: path, RawQuery: query.Encode()}
	return u.String()
}

type centrifugoPublish struct {
	Channel string `json:"channel"`
	Data    string `json:"data"`
	Key     string `json:"idempotency_key"`
}

// Publish implements [Driver].
func (d *Centrifugo) Publish(ctx context.Context, hub int, events []Sent) (*http.Request, error) {
	type command struct {
		Publish centrifugoPublish `json:"publish"`
	}
	var commands []command
	for _, e := range events {
		commands = append(commands, command{centrifugoPublish{e.Topics[0], e.Data, e.Name}})
	}
	return d.call(ctx, hub, "batch", map[string]any{"commands": commands})
}

func (d *Centrifugo) call(ctx context.Context, hub int, method string, params any) (*http.Request, error) {
	body, err := json.Marshal(params)
	if err != nil {
		return nil, err
	}
	return http.NewRequestWithContext(ctx, http.MethodPost, d.url(hub, "/api/"+method, nil), bytes.NewReader(body))
}

type centrifugoPlace struct {
	Offset uint64 `json:"offset"`
	Epoch  string `json:"epoch"`
}

func (p centrifugoPlace) in(channel string) history.Position {
	return history.Position{Order: channel, Gen: p.Epoch, Seq: p.Offset}
}

// Answer implements [Driver]. Centrifugo does not report duplicates.
func (d *Centrifugo) Answer(status int, body []byte, events []Sent) (history.Outcome, []history.Position) {
	var answer struct {
		Replies []struct{ Publish *centrifugoPlace }
	}
	if err := json.Unmarshal(body, &answer); err != nil || status != http.StatusOK || len(answer.Replies) != len(events) {
		return history.Unknown, nil
	}
	var ids []history.Position
	for i, reply := range answer.Replies {
		if reply.Publish == nil {
			return history.Unknown, nil
		}
		ids = append(ids, reply.Publish.in(events[i].Topics[0]))
	}
	return history.OK, ids
}

// Subscribe implements [Driver].
func (d *Centrifugo) Subscribe(ctx context.Context, hub int, sel history.Selection, after map[string]history.Position) (*http.Request, error) {
	type sub struct {
		Recover bool   `json:"recover,omitempty"`
		Epoch   string `json:"epoch,omitempty"`
		Offset  uint64 `json:"offset,omitempty"`
	}
	subs := map[string]sub{}
	for _, channel := range sel.Exact {
		subs[channel] = sub{}
		if p, ok := after[channel]; ok {
			subs[channel] = sub{true, p.Gen, p.Seq}
		}
	}
	connect, err := json.Marshal(map[string]any{"subs": subs})
	if err != nil {
		return nil, err
	}
	return http.NewRequestWithContext(ctx, http.MethodGet, d.url(hub, "/connection/uni_sse", url.Values{"cf_connect": {string(connect)}}), nil)
}

type centrifugoPub struct {
	Data   string `json:"data"`
	Offset uint64 `json:"offset"`
}

type centrifugoSub struct {
	centrifugoPlace
	Recovering   bool `json:"was_recovering"`
	Recovered    bool `json:"recovered"`
	Publications []centrifugoPub
}

// Parse implements [Driver].
func (d *Centrifugo) Parse(e sse.Event, after map[string]history.Position) ([]Seen, error) {
	var push struct {
		Channel string
		Pub     *centrifugoPub
		Connect *struct{ Subs map[string]centrifugoSub }
	}
	if err := json.Unmarshal([]byte(e.Data), &push); err != nil {
		return nil, err
	}
	switch {
	case push.Pub != nil:
		// A push does not name the epoch: it is the one that the subscription began with.
		p := history.Position{Order: push.Channel, Gen: after[push.Channel].Gen, Seq: push.Pub.Offset}
		return []Seen{{Kind: history.Event, ID: &p, Data: push.Pub.Data, Topics: []string{push.Channel}}}, nil
	case push.Connect != nil:
		var seen []Seen
		for channel, sub := range push.Connect.Subs {
			seen = append(seen, sub.seen(channel)...)
		}
		return seen, nil
	}
	return nil, nil // a ping, or the reason of the end
}

// seen returns the content of the answer to a subscription: the missed events, or that they are no longer available.
func (s *centrifugoSub) seen(channel string) (seen []Seen) {
	at := s.in(channel)
	if s.Recovering && !s.Recovered {
		seen = append(seen, Seen{Kind: history.Gap, To: &history.Position{Order: channel, Gen: s.Epoch + "?"}, Why: "not recovered"})
	}
	slices.SortFunc(s.Publications, func(a, b centrifugoPub) int { return cmp.Compare(a.Offset, b.Offset) })
	for _, p := range s.Publications {
		seen = append(seen, Seen{Kind: history.Event, ID: &history.Position{Order: channel, Gen: s.Epoch, Seq: p.Offset}, Data: p.Data})
		at.Seq = max(at.Seq, p.Offset) // the offset of the answer may be older than the events that arrived meanwhile
	}
	return append(seen, Seen{Kind: history.Checkpoint, ID: &at})
}

// Replace implements [Driver].
func (d *Centrifugo) Replace(context.Context, int) error { return nil }

// Dump implements [Driver].
func (d *Centrifugo) Dump(ctx context.Context, hub int, topics []string) (entries []history.Entry, err error) {
	for _, channel := range topics {
		req, err := d.call(ctx, hub, "history", map[string]any{"channel": channel, "limit": -1})
		if err != nil {
			return nil, err
		}
		var kept struct {
			Result struct {
				centrifugoPlace
				Publications []centrifugoPub
			}
		}
		if err := fetch(req, &kept); err != nil {
			return nil, err
		}
		for _, p := range kept.Result.Publications {
			name, err := NameOf(p.Data)
			if err != nil {
				return nil, err
			}
			id := history.Position{Order: channel, Gen: kept.Result.Epoch, Seq: p.Offset}
			entries = append(entries, history.Entry{Kind: history.Dump, Hub: hub, ID: &id, Name: name})
		}
	}
	return entries, nil
}

// fetch sends a request and parses the answer.
func fetch(req *http.Request, into any) error {
	resp, err := probes.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s", req.Method, req.URL.Path, resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(into)
}
