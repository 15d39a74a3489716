package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/internal/address"
)

// clusterCmd is the command line of tidings cluster, for administrators of hubs that share a log.
type clusterCmd struct {
	Status clusterStatusCmd `cmd:"" help:"List the hubs of a cluster."`
	Set    clusterSetCmd    `cmd:"" help:"Change the retention of all hubs of a cluster."`
	Remove clusterRemoveCmd `cmd:"" help:"Remove a hub that will not come back."`
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

// clusterAsker holds the flags and the request that the commands share.
type clusterAsker struct {
	URL string `arg:"" optional:"" name:"hub" help:"The hub's URL; --hub is the same."`

	hubFlags `embed:""`

	Format string `short:"f" enum:"auto,table,json" default:"auto" placeholder:"FORMAT" help:"table or json; by default a table on a terminal, else JSON."`
}

// ask sends the request of a command and prints the state of the cluster in the answer. If the request changes something, done says what the hub has done.
func (c *clusterAsker) ask(ctx context.Context, std stdio, command, method, path string, body []byte, done func(*clusterAnswer) string) error {
	client, err := c.connectTo(c.URL, command)
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
	return printCluster(std.out, &status, c.again(client))
}

// again returns the arguments by which another command reaches the same hub, for a person who copies it; empty for the default. The token is not among
// them, because output is often kept.
func (c *clusterAsker) again(client *hubClient) string {
	var args string
	if c.Hub != "" {
		args += " " + shellWord(client.String())
	}
	if c.CA != "" {
		args += " --ca " + shellWord(c.CA)
	}
	if c.Insecure {
		args += " --insecure"
	}
	return args
}

// clusterStatusCmd is the command line of tidings cluster status.
type clusterStatusCmd struct {
	clusterAsker `embed:""`
}

// Help is the manual.
func (*clusterStatusCmd) Help() string {
	return `
Lists the hubs that were heard of in the last 10 seconds, each with its newest event, its distance from the shared log, its streams, and how
long ago it was in contact with the shared log. The hub that answers comes first. It asks the others: one that was killed has the state "no
answer", and what is said of it is old. Below the table are the names of lost hubs, for tidings cluster remove, and those that a hub
without a majority cannot reach.

Examples:

    tidings cluster status
    tidings cluster status https://hub-1.example --format json | jq '.hubs[].name'`
}

// Run asks a hub.
func (c *clusterStatusCmd) Run(ctx context.Context, std stdio) error {
	return c.ask(ctx, std, "cluster status", http.MethodGet, "api/v1/cluster", nil, nil)
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
still make the same decisions. The new rules replace all old ones, which tidings cluster status --format json shows; so --keep-bytes is
required, and without --keep no topic has a rule of its own. Change the configuration of each hub in the same way at once: hubs that run need no
restart, and one that starts with other rules does not join.

Examples:

    tidings cluster set --keep 'chat/**=age:7d' --keep-bytes 10GiB`
}

// Run sends the settings to a hub, which writes them into the shared log.
func (c *clusterSetCmd) Run(ctx context.Context, std stdio) error {
	if c.KeepBytes == 0 { // the default would delete events of a cluster that keeps more
		return &exitError{exitUsage, errors.New("--keep-bytes is missing: the rules replace all old ones, and --keep-bytes says how much the hubs keep in all\nhint: tidings cluster status --format json shows what they keep now, in log.settings")}
	}
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
	return c.ask(ctx, std, "cluster set", http.MethodPost, "api/v1/cluster/settings", body, func(now *clusterAnswer) string {
		kept := "these rules"
		if now.Log.Settings != nil {
			kept = keptText(now.Log.Settings)
		}
		return "all hubs of the cluster now keep: " + visible(kept) + "\nnext: change the configuration of each hub in the same way, now: one that starts with the old rules does not join"
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
Removes a hub that will not come back, because its machine or its data directory is lost. It no longer counts for majorities, and
another hub takes over its replica of the shared log. A running hub is not removed, and no hub that stores the shared log while none of them runs.

A hub that starts with an empty directory is a new one, and needs no command. If none takes the place of the removed hub, start the others with a list of
peers without it, one after the other. A removed hub that starts with its old directory is a member
again: delete the directory, if it is found again.

Examples:

    tidings cluster remove hub-2-x7k2`
}

// Run sends the request to a hub.
func (c *clusterRemoveCmd) Run(ctx context.Context, std stdio) error {
	switch {
	case c.Name == "":
		return &exitError{exitUsage, errors.New("say which hub; tidings cluster status lists them")}
	case address.Is(c.Name) && c.URL != "":
		return &exitError{exitUsage, fmt.Errorf("the name of the hub comes first, and then the URL of one that runs\nhint: tidings cluster remove %s %s", c.URL, c.Name)}
	case address.Is(c.Name):
		return &exitError{exitUsage, fmt.Errorf("%q is the URL of a hub, and not the name of the one that is lost\nhint: tidings cluster status %[1]s lists the names", c.Name)}
	}
	return c.ask(ctx, std, "cluster remove "+c.Name, http.MethodDelete, "api/v1/cluster/hubs/"+url.PathEscape(c.Name), nil, func(now *clusterAnswer) string {
		text := c.Name + " is removed: it no longer counts for majorities"
		n, size := len(now.Log.Servers.Peers), now.Log.Servers.Size
		if n > 0 {
			text += ", which are now those of " + number(n, "hub")
		}
		text += "\nif its data directory is found again, delete it: a hub that starts with it is a member again, and counts"
		if n == 0 || n < size {
			text += "\nnext: start a hub with an empty directory in its place; or, if the cluster is to have fewer hubs, start the others with a list of peers without it, one after the other"
		}
		return text
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
	return c.ask(ctx, std, "cluster reset", http.MethodPost, "api/v1/cluster/reset", []byte("{}"), func(now *clusterAnswer) string {
		return "the log of " + visible(now.Name) + " is the shared log, in generation " + visible(now.Log.Generation) + "; every subscriber that resumes gets a gap with the reason reset"
	})
}
