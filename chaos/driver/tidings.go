package driver

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/tidings-sse/tidings/chaos/history"
	"github.com/tidings-sse/tidings/sse"
)

// Tidings starts hubs of Tidings.
type Tidings struct {
	Config

	addresses []string
	extra     func(hub int) []string // arguments of a hub beside the common ones
	nodes     []Node                 // beside the hubs
	broker    string                 // the URL of the NATS that they use; "" if there is none
	resets    bool                   // a restart of their order begins a generation
	mirror    string                 // the folder of a data directory that holds the log; "" if that is the directory itself
	order     string                 // the folder of a data directory that holds the shared order, if a hub has it
}

// NewTidings returns hubs that share nothing: use one.
func NewTidings(c Config) (*Tidings, error) {
	t := &Tidings{Config: c, extra: func(int) []string { return nil }}
	for hub := 1; hub <= c.Hubs; hub++ {
		address, err := c.address(hub)
		if err != nil {
			return nil, err
		}
		t.addresses = append(t.addresses, address)
	}
	return t, nil
}

func (t *Tidings) dir(hub int) string { return filepath.Join(t.Dir, fmt.Sprintf("hub%d", hub), "data") }

// Nodes implements [Driver].
func (t *Tidings) Nodes() []Node {
	nodes := make([]Node, t.Hubs)
	for i := range nodes {
		hub := i + 1
		dirs := []string{t.dir(hub)}
		if t.order != "" {
			dirs = append(dirs, filepath.Join(t.dir(hub), t.order))
		}
		nodes[i] = Node{
			Name: fmt.Sprintf("hub%d", hub), Hub: hub, Dirs: dirs,
			Start: func() (*exec.Cmd, error) { return t.command(hub), os.MkdirAll(filepath.Dir(t.dir(hub)), 0o755) },
			Ready: func(ctx context.Context) bool { return probe(ctx, t.url(hub, "/readyz", nil)) },
		}
	}
	return append(nodes, t.nodes...)
}

func (t *Tidings) command(hub int) *exec.Cmd {
	args := []string{
		"serve", "--addr", t.addresses[hub-1], "--insecure", "--data", t.dir(hub), "--log-requests", "never",
		"--keep-bytes", cmp.Or(t.KeepBytes, "8GiB"), "--min-free", "8MiB",
	}
	if t.Brief > 0 {
		args = append(args, "--keep", history.Brief+"**=age:"+t.Brief.String())
	}
	age := "100000h" // a clock that is ahead trims nothing
	if t.Features().Mends {
		age = "24h" // one wrong clock of several trims nothing
	}
	args = append(args, "--keep", "**=age:"+age)
	return exec.Command(t.Binary, append(args, t.extra(hub)...)...)
}

// Features implements [Driver].
func (t *Tidings) Features() Features {
	return Features{
		Promise: history.Promise{
			Durable: true, OneOrder: true, Keys: true, Ends: true, EqualDumps: true, Resets: t.resets,
			Mends: t.order != "" && t.Hubs > 1, Trims: t.KeepBytes != "", Brief: t.Brief,
		},
		Patterns: true, ManyTopics: true, Batches: true, Order: t.order != "", DumpStopped: true,
	}
}

func (t *Tidings) url(hub int, path string, query url.Values) string {
	u := url.URL{Scheme: "http", Host: t.addresses[hub-1], Path: path, RawQuery: query.Encode()}
	return u.String()
}

// line is an event of a body of type application/x-ndjson.
type line struct {
	Data   string   `json:"data"`
	Topics []string `json:"topics"`
	Key    string   `json:"key"`
	End    bool     `json:"end,omitempty"`
}

// Publish implements [Driver].
func (t *Tidings) Publish(ctx context.Context, hub int, events []Sent) (*http.Request, error) {
	if len(events) == 1 {
		e := events[0]
		query := url.Values{"topic": e.Topics}
		if e.End {
			query.Set("end", "1")
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url(hub, "/events", query), strings.NewReader(e.Data))
		if err == nil {
			req.Header.Set("Idempotency-Key", e.Name)
			req.Header.Set("Content-Type", "text/plain")
		}
		return req, err
	}
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	for _, e := range events {
		if err := enc.Encode(line{e.Data, e.Topics, e.Name, e.End}); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url(hub, "/events", nil), &body)
	if err == nil {
		req.Header.Set("Content-Type", "application/x-ndjson")
	}
	return req, err
}

// published is an answer to a publisher: the receipt of one event or of many, or a problem.
type published struct {
	ID          string `json:"id"`
	Duplicate   bool   `json:"duplicate"`
	First, Last string
	Count       uint64 `json:"count"`
	Duplicates  int    `json:"duplicates"`
	Type        string `json:"type"`
	Stored      int    `json:"stored"`
}

// Answer implements [Driver].
func (t *Tidings) Answer(status int, body []byte, events []Sent) (history.Outcome, []history.Position) {
	var a published
	if err := json.Unmarshal(body, &a); err != nil {
		return history.Unknown, nil
	}
	switch {
	case status == http.StatusOK && a.ID != "":
		id, err := position(a.ID)
		switch {
		case err != nil:
			return history.Unknown, nil
		case a.Duplicate:
			return history.Duplicate, []history.Position{*id}
		}
		return history.OK, []history.Position{*id}
	case status == http.StatusOK:
		return history.OK, contiguous(a, len(events))
	case a.Stored > 0:
		return history.Unknown, nil // some are stored
	case status == http.StatusConflict || status == http.StatusUnprocessableEntity:
		return history.Refused, nil
	case status == http.StatusTooManyRequests || strings.HasSuffix(a.Type, ":draining") || strings.HasSuffix(a.Type, ":full"):
		return history.Busy, nil
	}
	return history.Unknown, nil
}

// contiguous returns the positions of all events of a body if they follow from those of the first and the last.
func contiguous(a published, events int) (ids []history.Position) {
	first, err := position(a.First)
	if err != nil || a.Duplicates > 0 {
		return nil
	}
	last, err := position(a.Last)
	if err != nil || last.Gen != first.Gen || last.Seq-first.Seq != uint64(events-1) {
		return nil
	}
	for seq := first.Seq; seq <= last.Seq; seq++ {
		ids = append(ids, history.Position{Gen: first.Gen, Seq: seq})
	}
	return ids
}

// Subscribe implements [Driver]. Subscriptions to patterns use envelopes, which have the topics.
func (t *Tidings) Subscribe(ctx context.Context, hub int, sel history.Selection, after map[string]history.Position) (*http.Request, error) {
	query := url.Values{"topic": sel.Patterns, "exact": sel.Exact, "heartbeat": {"5s"}}
	if len(sel.Patterns) > 0 {
		query.Set("format", "envelope")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.url(hub, "/events", query), nil)
	if err == nil {
		req.Header.Set("Accept", "text/event-stream")
		if p, ok := after[""]; ok {
			req.Header.Set("Last-Event-ID", p.String())
		}
	}
	return req, err
}

// envelope is an event in a stream with format=envelope, or in the output of tidings log dump.
type envelope struct {
	ID     string   `json:"id"`
	Topics []string `json:"topics"`
	Data   string   `json:"data"`
}

// Parse implements [Driver].
func (t *Tidings) Parse(e sse.Event, _ map[string]history.Position) ([]Seen, error) {
	if kind, ok := strings.CutPrefix(e.Type, "tidings."); ok {
		return parseControl(kind, e)
	}
	id, err := position(e.ID)
	if err != nil {
		return nil, err
	}
	s := Seen{Kind: history.Event, ID: id, Data: e.Data}
	if strings.HasPrefix(e.Data, "{") {
		var in envelope
		if err := json.Unmarshal([]byte(e.Data), &in); err != nil {
			return nil, err
		}
		if in.ID != e.ID {
			return nil, fmt.Errorf("an event has the id %q outside and %q inside of its envelope", e.ID, in.ID)
		}
		s.Data, s.Topics = in.Data, in.Topics
	}
	return []Seen{s}, nil
}

func parseControl(kind string, e sse.Event) ([]Seen, error) {
	var said struct {
		Reason, To string
		Topics     []string
	}
	if err := json.Unmarshal([]byte(e.Data), &said); err != nil {
		return nil, err
	}
	switch kind {
	case "checkpoint":
		id, err := position(e.ID)
		return []Seen{{Kind: history.Checkpoint, ID: id}}, err
	case "gap":
		s := Seen{Kind: history.Gap, Why: said.Reason}
		if p, err := position(said.To); err == nil {
			s.To = p
		}
		return []Seen{s}, nil
	case "end":
		return []Seen{{Kind: history.Ended, Topics: said.Topics}}, nil
	case "retry":
		return []Seen{{Kind: history.Retry, Why: e.Data}}, nil
	}
	return nil, nil // PROTOCOL: ignore other control events
}

// position parses a position of Tidings.
func position(text string) (*history.Position, error) {
	gen, number, ok := strings.Cut(text, "-")
	seq, err := strconv.ParseUint(number, 10, 63)
	if !ok || err != nil {
		return nil, fmt.Errorf("%q is not a position", text)
	}
	return &history.Position{Gen: gen, Seq: seq}, nil
}
