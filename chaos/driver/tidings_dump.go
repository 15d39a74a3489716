package driver

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/tidings-sse/tidings/chaos/history"
	"github.com/tidings-sse/tidings/sse"
)

// Read implements [Reader].
func (t *Tidings) Read(ctx context.Context, hub int, topic string) (*http.Request, error) {
	query := url.Values{"exact": {topic}, "poll": {"1"}, "since": {"earliest"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.url(hub, "/events", query), nil)
	if err == nil {
		req.Header.Set("Accept", "text/event-stream")
	}
	return req, err
}

// Contents implements [Reader].
func (t *Tidings) Contents(body []byte) (data []string, err error) {
	d := sse.NewDecoder(bytes.NewReader(body), nil)
	for d.Next() {
		if !bytes.HasPrefix(d.Type(), []byte("tidings.")) {
			data = append(data, string(d.Data()))
		}
	}
	return data, d.Err()
}

// dumped is a line of tidings log dump --canonical: a record, or a hole.
type dumped struct {
	envelope
	Hole *struct {
		From   string `json:"from"`
		To     string `json:"to"`
		Reason string `json:"reason"`
	} `json:"hole"`
}

// Dump implements [Driver].
func (t *Tidings) Dump(ctx context.Context, hub int, _ []string) ([]history.Entry, error) {
	text, err := exec.CommandContext(ctx, t.Binary, "log", "dump", "--canonical", filepath.Join(t.dir(hub), t.mirror)).Output()
	if err != nil {
		return nil, fmt.Errorf("dump %s: %w", t.dir(hub), err)
	}
	var entries []history.Entry
	for row := range bytes.Lines(text) {
		var d dumped
		if err := json.Unmarshal(row, &d); err != nil {
			return nil, fmt.Errorf("dump %s: %w", t.dir(hub), err)
		}
		switch {
		case d.Hole != nil:
			from, err := position(d.Hole.From)
			if err != nil {
				return nil, err
			}
			to, err := position(d.Hole.To)
			if err != nil {
				return nil, err
			}
			entries = append(entries, history.Entry{Kind: history.Hole, Hub: hub, ID: from, To: to, Why: d.Hole.Reason})
		case d.ID != "" && !strings.HasPrefix(d.Topics[0], "$"): // those are the hubs' own
			id, err := position(d.ID)
			if err != nil {
				return nil, err
			}
			name, err := NameOf(d.Data)
			if err != nil {
				return nil, fmt.Errorf("dump %s: %v: %w", t.dir(hub), id, err)
			}
			entries = append(entries, history.Entry{Kind: history.Dump, Hub: hub, ID: id, Name: name, Topics: d.Topics})
		}
	}
	return entries, nil
}
