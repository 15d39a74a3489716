package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tidings-sse/tidings/eventlog/cluster"
	"github.com/tidings-sse/tidings/internal/plain"
)

// clusterHub is a hub as another one describes it.
type clusterHub struct {
	Name       string `json:"name"`
	URL        string `json:"url"`
	Version    string `json:"version"`
	Ready      bool   `json:"ready"`
	Unready    string `json:"unready"`
	Silent     bool   `json:"silent"`
	Generation string `json:"generation"`
	Head       uint64 `json:"head"`
	Message    uint64 `json:"message"`
	Last       uint64 `json:"last"`
	Streams    int    `json:"streams"`
	ContactAge int64  `json:"contact_age"`
	Tokens     string `json:"tokens"`
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
	Size    int           `json:"size"` // of the list of peers
	Peers   []clusterPeer `json:"peers"`
	Trouble string        `json:"trouble"` // why there are no Peers, or nothing can be published
}

// UnmarshalJSON also takes the text that a hub sends if it could not ask the servers.
func (s *clusterServers) UnmarshalJSON(text []byte) error {
	if bytes.HasPrefix(text, []byte(`"`)) {
		return json.Unmarshal(text, &s.Trouble)
	}
	type plain clusterServers
	return json.Unmarshal(text, (*plain)(s))
}

// clusterPeer is a hub as the servers of the shared log count it, only with --cluster-peers.
type clusterPeer struct {
	Name   string `json:"name"`
	Online bool   `json:"online"`
	Stores bool   `json:"stores"` // the shared log
}

// printCluster prints a table of the hubs. again are the arguments by which commands in the notes reach the same hub.
func printCluster(out io.Writer, status *clusterAnswer, again string) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "HUB\tSTATE\tHEAD\tBEHIND\tSTREAMS\tCONTACT\tVERSION\tURL") // in memory, as all below
	newest := map[string]uint64{}                                                      // message of each generation; a hub that was killed does not know it
	for _, h := range status.Hubs {
		newest[h.Generation] = max(newest[h.Generation], h.Last, h.Message)
	}
	for _, h := range status.Hubs {
		state := "ready"
		switch {
		case h.Silent:
			state = "no answer"
		case !h.Ready:
			state = "not ready"
		}
		behind := number(newest[h.Generation]-h.Message, "message")
		contact := shortly(time.Duration(h.ContactAge)*time.Millisecond) + " ago"
		switch {
		case h.Silent:
			contact = "-" // the age is that of its last announcement
		case h.ContactAge < 1000:
			contact = "now"
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s-%d\t%s\t%d\t%s\t%s\t%s\n", visible(h.Name), state, visible(h.Generation), h.Head, behind, h.Streams, contact, visible(h.Version), visible(h.URL))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, note := range clusterNotes(status, again) {
		if _, err := fmt.Fprintln(out, "\n"+note); err != nil {
			return err
		}
	}
	return nil
}

// tokenNote names the hubs that check tokens differently from the hub that answers, which comes first; empty: there are none.
func tokenNote(status *clusterAnswer) string {
	var others []string
	for _, h := range status.Hubs {
		if own := status.Hubs[0].Tokens; h.Tokens != "" && own != "" && h.Tokens != own {
			others = append(others, visible(h.Name))
		}
	}
	if len(others) == 0 {
		return ""
	}
	return fmt.Sprintf("tokens are not checked by %s as by %s: give all hubs the same keys, issuer, audience and public topics (--key-file and so on), or clients are refused now and then",
		strings.Join(others, ", "), visible(status.Hubs[0].Name))
}

// unreadyNotes says why hubs are not ready. Hubs with the same reason share a note.
func unreadyNotes(status *clusterAnswer) (notes []string) {
	var reasons []string
	names := map[string][]string{} // by reason
	for _, h := range status.Hubs {
		if h.Ready || h.Silent {
			continue
		}
		if names[h.Unready] == nil {
			reasons = append(reasons, h.Unready)
		}
		names[h.Unready] = append(names[h.Unready], visible(h.Name))
	}
	for _, reason := range reasons {
		are := " is not ready: "
		if len(names[reason]) > 1 {
			are = " are not ready; each says: "
		}
		notes = append(notes, strings.Join(names[reason], ", ")+are+visible(reason))
	}
	return notes
}

// clusterNotes says what is wrong with a cluster. again are the arguments by which commands reach the same hub.
func clusterNotes(status *clusterAnswer, again string) (notes []string) {
	servers := status.Log.Servers
	counted := map[string]bool{}
	for _, p := range servers.Peers {
		counted[p.Name] = true
	}
	notes = unreadyNotes(status)
	for _, h := range status.Hubs {
		switch name := visible(h.Name); {
		case !h.Ready && !h.Silent:
		case h.Silent && !counted[h.Name]:
			notes = append(notes, name+" does not answer")
		case !h.Silent && len(counted) > 0 && !counted[h.Name]:
			notes = append(notes, name+" was removed, or is new, and does not count for majorities yet. If it should not, stop it and delete its data directory")
		}
	}
	if note := tokenNote(status); note != "" {
		notes = append(notes, note)
	}
	for _, p := range servers.Peers {
		if p.Online {
			continue
		}
		counts := ", and counts for majorities"
		if p.Stores && slices.ContainsFunc(servers.Peers, func(p clusterPeer) bool { return !p.Stores }) {
			counts = ", counts for majorities, and stores the shared log"
		}
		notes = append(notes, fmt.Sprintf("%s does not answer%s. If it will not come back: tidings cluster remove %[1]s%[3]s", visible(p.Name), counts, again))
	}
	trouble := visible(plain.Text(servers.Trouble))
	if trouble != "" && !slices.ContainsFunc(notes, func(note string) bool { return strings.Contains(note, trouble) }) {
		notes = append(notes, "the servers of the shared log: "+trouble)
	}
	return notes
}
