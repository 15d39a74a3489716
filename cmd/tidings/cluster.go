package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"text/tabwriter"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/cluster"
)

// clusterCmd is the command line of tidings cluster, for administrators of hubs that share a log.
type clusterCmd struct {
	Status clusterStatusCmd `cmd:"" help:"List the hubs of a cluster."`
	Set    clusterSetCmd    `cmd:"" help:"Change the retention of all hubs of a cluster."`
	Remove clusterRemoveCmd `cmd:"" help:"Exclude a hub that will not come back."`
	Reset  clusterResetCmd  `cmd:"" help:"Make the log of one hub the shared log, after a loss."`
	Join   clusterJoinCmd   `cmd:"" help:"Turn the data directory of a hub alone into that of the first hub of a cluster."`
	Leave  clusterLeaveCmd  `cmd:"" help:"Turn the log of a hub of a cluster into the data directory of a hub alone."`
	Key    clusterKeyCmd    `cmd:"" help:"Make the secret that all hubs of a cluster share."`
}

// Help is the manual.
func (*clusterCmd) Help() string {
	return `
Several hubs can share one log: docs/cluster.md. These commands ask one of the hubs; every hub gives the same answer.

A hub with keys requires a token with admin: true. If administration has its own address (--admin-addr), give that address instead.`
}

// clusterHub is a hub as another one describes it.
type clusterHub struct {
	Name       string `json:"name"`
	URL        string `json:"url"`
	Version    string `json:"version"`
	Ready      bool   `json:"ready"`
	Unready    string `json:"unready"`
	Generation string `json:"generation"`
	Head       uint64 `json:"head"`
	Message    uint64 `json:"message"`
	Last       uint64 `json:"last"`
	Streams    int    `json:"streams"`
	ContactAge int64  `json:"contact_age"`
}

// clusterAnswer is the answer to every request about the cluster.
type clusterAnswer struct {
	Name string       `json:"name"`
	Hubs []clusterHub `json:"hubs"`
	Log  struct {
		Generation string            `json:"generation"`
		Settings   *cluster.Settings `json:"settings"`
		Servers    clusterServers    `json:"servers"`
	} `json:"log"`
}

// clusterServers are the servers of the shared log, only with --cluster-peers.
type clusterServers struct {
	Peers []clusterPeer `json:"peers"`
}

// UnmarshalJSON leaves out the text that a hub sends if it could not ask the servers.
func (s *clusterServers) UnmarshalJSON(text []byte) error {
	if bytes.HasPrefix(text, []byte(`"`)) {
		return nil
	}
	type plain clusterServers
	return json.Unmarshal(text, (*plain)(s))
}

// clusterPeer is a hub as the servers of the shared log count it, only with --cluster-peers.
type clusterPeer struct {
	Name   string `json:"name"`
	Online bool   `json:"online"`
}

// clusterAsker holds the flags and the request that the commands share.
type clusterAsker struct {
	URL string `arg:"" optional:"" name:"hub" help:"The hub's URL; --hub is the same."`

	hubFlags `embed:""`

	Format string `short:"f" enum:"auto,table,json" default:"auto" placeholder:"FORMAT" help:"table or json; by default a table on a terminal, else JSON."`
}

// ask sends a request and prints the state of the cluster in the answer. If the request changes something, done says what the hub has done.
func (c *clusterAsker) ask(ctx context.Context, std stdio, method, path string, body []byte, done func(*clusterAnswer) string) error {
	client, err := c.connectTo(c.URL, "cluster")
	if err != nil {
		return err
	}
	var answer json.RawMessage // whole, for programs that know of members which this one does not
	if err := client.ask(ctx, method, path, nil, body, &answer); err != nil {
		return client.whyNotReady(ctx, err)
	}
	var status clusterAnswer
	if err := json.Unmarshal(answer, &status); err != nil {
		return fmt.Errorf("%s does not describe a cluster: %w", client, err)
	}
	if done != nil {
		_, _ = fmt.Fprintln(std.err, done(&status)) // a note; the answer below is the result
	}
	if c.Format == "json" || c.Format == "auto" && !isTerminal(std.out) {
		_, err := fmt.Fprintf(std.out, "%s\n", answer)
		return err
	}
	return printCluster(std.out, &status)
}

// printCluster prints a table of the hubs.
func printCluster(out io.Writer, status *clusterAnswer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "HUB\tSTATE\tHEAD\tBEHIND\tSTREAMS\tCONTACT\tVERSION\tURL") // in memory, as all below
	newest := map[string]uint64{}                                                      // message of each generation; a hub that was killed does not know it
	for _, h := range status.Hubs {
		newest[h.Generation] = max(newest[h.Generation], h.Last, h.Message)
	}
	for _, h := range status.Hubs {
		state := "ready"
		if !h.Ready {
			state = "not ready"
		}
		behind := number(newest[h.Generation]-h.Message, "message")
		contact := shortly(time.Duration(h.ContactAge)*time.Millisecond) + " ago"
		if h.ContactAge < 1000 {
			contact = "now"
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s-%d\t%s\t%d\t%s\t%s\t%s\n", visible(h.Name), state, visible(h.Generation), h.Head, behind, h.Streams, contact, visible(h.Version), visible(h.URL))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, h := range status.Hubs {
		if !h.Ready {
			if _, err := fmt.Fprintf(out, "\n%s is not ready: %s\n", visible(h.Name), visible(h.Unready)); err != nil {
				return err
			}
		}
	}
	for _, p := range status.Log.Servers.Peers {
		if !p.Online {
			if _, err := fmt.Fprintf(out, "\n%s does not answer, and counts for majorities. If it will not come back: tidings cluster remove %[1]s\n", visible(p.Name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// clusterStatusCmd is the command line of tidings cluster status.
type clusterStatusCmd struct {
	clusterAsker `embed:""`
}

// Help is the manual.
func (*clusterStatusCmd) Help() string {
	return `
Lists the hubs that were heard of in the last 10 seconds, also one that was killed since, each with its newest event, its distance from the shared log, its streams, and
how long ago it was in contact with the shared log. The hub that answers comes first. Below the table are the names of lost hubs, which
tidings cluster remove excludes.

Examples:

    tidings cluster status
    tidings cluster status https://hub-1.example --format json | jq '.hubs[].name'`
}

// Run asks a hub.
func (c *clusterStatusCmd) Run(ctx context.Context, std stdio) error {
	return c.ask(ctx, std, http.MethodGet, "api/v1/cluster", nil, nil)
}

// clusterSetCmd is the command line of tidings cluster set.
type clusterSetCmd struct {
	clusterAsker `embed:""`
	keepFlags    `embed:"" group:"What they keep"`
}

// Help is the manual.
func (*clusterSetCmd) Help() string {
	return `
Changes the retention of all hubs of a cluster. They apply the new rules at the same position in the shared log, so that all of them
still make the same decisions. A flag that is not given has its default. Afterwards restart each hub with the same flags, in any order
and at any time. Until then it keeps the new rules; a hub that starts with other rules is refused.

Examples:

    tidings cluster set --keep 'chat/**=age:7d' --keep-bytes 10GiB`
}

// Run sends the settings to a hub, which writes them into the shared log.
func (c *clusterSetCmd) Run(ctx context.Context, std stdio) error {
	if _, err := c.retention().WithDefaults(); err != nil {
		return &exitError{exitUsage, fmt.Errorf("--keep: %w", err)}
	}
	if err := c.checkBytes(0); err != nil { // the hub knows --max-event, and checks again
		return &exitError{exitUsage, err}
	}
	body, err := json.Marshal(&c.keepFlags)
	if err != nil {
		return err
	}
	return c.ask(ctx, std, http.MethodPost, "api/v1/cluster/settings", body, func(now *clusterAnswer) string {
		kept := "these rules"
		if now.Log.Settings != nil {
			kept = now.Log.Settings.String()
		}
		return "all hubs of the cluster now keep: " + visible(kept) + "\nnext: restart each hub with the same flags, at any time"
	})
}

// parseKept parses the settings that tidings cluster set sends. It refuses what a hub with events of up to a size would refuse at its start.
func parseKept(body []byte, largest byteSize) (*eventlog.Retention, error) {
	var keep keepFlags
	if err := json.Unmarshal(body, &keep); err != nil {
		return nil, fmt.Errorf("invalid settings of a cluster: %w", err)
	}
	if err := keep.checkBytes(largest); err != nil {
		return nil, err
	}
	r := keep.retention()
	_, err := r.WithDefaults()
	return r, err
}

// clusterRemoveCmd is the command line of tidings cluster remove.
type clusterRemoveCmd struct {
	Name string `arg:"" help:"The name of the hub, as tidings cluster status lists it."`

	clusterAsker `embed:""`
}

// Help is the manual.
func (*clusterRemoveCmd) Help() string {
	return `
Excludes a hub that will not come back, because its machine or its data directory is lost. It no longer counts for majorities, and
another hub takes over its copy of the shared log. A running hub is not removed.

A hub that starts with an empty directory is a new one, and needs no command.

Examples:

    tidings cluster remove hub-2-x7k2`
}

// Run sends the request to a hub.
func (c *clusterRemoveCmd) Run(ctx context.Context, std stdio) error {
	if c.Name == "" {
		return &exitError{exitUsage, errors.New("say which hub; tidings cluster status lists them")}
	}
	return c.ask(ctx, std, http.MethodDelete, "api/v1/cluster/hubs/"+url.PathEscape(c.Name), nil, func(now *clusterAnswer) string {
		text := c.Name + " is removed: it no longer counts for majorities"
		if n := len(now.Log.Servers.Peers); n > 0 {
			text += ", which are now those of " + number(n, "hub")
		}
		return text + "\nnext: start a hub with an empty directory in its place, unless there is one already"
	})
}

// clusterResetCmd is the command line of tidings cluster reset.
type clusterResetCmd struct {
	clusterAsker `embed:""`

	Yes bool `help:"Do it. Without it the command only says what would happen."`
}

// Help is the manual.
func (*clusterResetCmd) Help() string {
	return `
Makes the log of one hub the shared log, after the shared log was deleted or replaced. A new generation begins: every subscriber gets a gap
reset. Events that only other hubs had are lost.

It cannot replace a majority: if most hubs of --cluster-peers are lost for good, docs/cluster.md says how the last one begins a new cluster.

Ask the hub with the newest event: tidings cluster status shows the heads.

Examples:

    tidings cluster reset http://hub-3.example:8080 --yes`
}

// Run sends the request to a hub.
func (c *clusterResetCmd) Run(ctx context.Context, std stdio) error {
	if !c.Yes {
		return &exitError{exitUsage, errors.New("this makes the log of one hub the shared log of a new generation, and every subscriber gets a gap reset\nhint: confirm with --yes")}
	}
	return c.ask(ctx, std, http.MethodPost, "api/v1/cluster/reset", []byte("{}"), func(now *clusterAnswer) string {
		return "the log of " + visible(now.Name) + " is the shared log, in generation " + visible(now.Log.Generation) + "; every subscriber that resumes gets a gap with the reason reset"
	})
}
