// Package peers keeps the list of the hubs in a cluster, and sends requests between them.
//
// Every hub announces itself to the others every [Interval], over a channel that may lose messages. A hub that was silent for [Expiry]
// counts as gone. Revocations use the same channel, because they must not wait for the log. Large answers, such as the list of open streams
// or a snapshot of the log, travel over HTTP. The key of the cluster signs each request.
//
//	Announce ─▶ Message ─▶ channel ─▶ Table.Receive ─▶ Table.Others, Table.Changes
//	Client.Ask ─▶ Sign ─▶ HTTP ─▶ Verify ─▶ the same handler as for administrators
package peers

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/hub/internal/presence"
	"github.com/tidings-sse/tidings/internal/wire"
)

const (
	Interval = 2 * time.Second  // between two announcements of a hub
	Expiry   = 10 * time.Second // after its last announcement a hub is gone
)

// maxHubs limits the table. More hubs than this are a fault, or an attack on the channel.
const maxHubs = 1000

// Hub is the state of a hub, as it announces it.
type Hub struct {
	Name       string `json:"name"`     // unique in the cluster
	Instance   string `json:"instance"` // of the process; changes when it restarts
	URL        string `json:"url,omitempty"`
	Version    string `json:"version,omitempty"`
	Ready      bool   `json:"ready"`
	Unready    string `json:"unready,omitempty"` // the reason
	Generation string `json:"generation"`
	Head       uint64 `json:"head"`             // sequence number of its newest event
	Message    uint64 `json:"message"`          // number of the newest message of the shared log that it has
	Last       uint64 `json:"last"`             // number of the newest message in the shared log, as far as it knows
	Streams    int    `json:"streams"`          // open ones
	Stored     uint64 `json:"stored"`           // events since it started
	Delivered  uint64 `json:"delivered"`        // events since it started, counted once for each subscriber
	ContactAge int64  `json:"contact_age"`      // milliseconds since its last contact with the shared log
	Presence   uint64 `json:"presence"`         // number of its last message about members
	Tokens     string `json:"tokens,omitempty"` // identifies how it checks tokens

	// Silent says that the hub has not answered the one that describes it. No hub announces it of itself.
	Silent bool `json:"silent,omitempty"`

	heard time.Time // when it announced itself last; zero for the hub that describes itself
}

// silence returns the hub as one that was asked and has not answered.
func (h Hub) silence(now time.Time) Hub {
	h.Silent, h.Ready = true, false
	h.Unready = fmt.Sprintf("it does not answer; it was last heard of %v ago", now.Sub(h.heard).Round(time.Second))
	return h
}

// Message is a message between hubs over the channel. One of its fields is set.
type Message struct {
	Hello   *Hub                `json:"hello,omitempty"`
	Bye     *Hub                `json:"bye,omitempty"` // the hub stops
	Who     bool                `json:"who,omitempty"` // asks all hubs to announce themselves now
	Revoked []access.Revocation `json:"revoked,omitempty"`

	Presence *presence.Part `json:"presence,omitempty"` // what a hub tells of its members
}

// Encode returns the bytes of a message.
func (m *Message) Encode() []byte {
	b, err := wire.JSON(m) // the data of a member has the same bytes at every hub
	if err != nil {
		panic(fmt.Sprintf("peers: encoding a message: %v", err)) // it has only strings, numbers, times and JSON that was checked
	}
	return b
}

// maxMessage is the largest message in bytes. A hub needs less than 2 KiB to announce itself. The table has maxHubs of these.
const maxMessage = 16 << 10

// Decode parses a message. It ignores members that it does not know, which newer hubs may send.
func Decode(b []byte) (m Message, err error) {
	if len(b) > maxMessage {
		return m, fmt.Errorf("peers: a message of another hub has %d bytes; the limit is %d", len(b), maxMessage)
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return m, fmt.Errorf("peers: a message of another hub is not JSON: %w", err)
	}
	return m, nil
}

// Table has the hubs that were heard of lately. The zero Table is empty. It is safe for concurrent use.
type Table struct {
	mu     sync.Mutex
	heard  map[string]heard // by name
	absent absences
}

type heard struct {
	hub Hub
	at  time.Time
}

// Receive records a message. It reports whether the message is from an unknown process, which needs the announcements of the other hubs.
func (t *Table) Receive(m *Message, now time.Time) (fresh bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case m.Hello != nil && m.Hello.Name != "":
		t.forget(now)
		if _, known := t.heard[m.Hello.Name]; !known && len(t.heard) >= maxHubs {
			return false
		}
		if t.heard == nil {
			t.heard = make(map[string]heard)
		}
		fresh = t.heard[m.Hello.Name].hub.Instance != m.Hello.Instance
		t.heard[m.Hello.Name] = heard{*m.Hello, now}
		t.absent.end(m.Hello, now)
	case m.Bye != nil:
		if h, known := t.heard[m.Bye.Name]; known && h.hub.Instance == m.Bye.Instance { // otherwise it runs again
			delete(t.heard, m.Bye.Name)
			t.absent.add(h, true)
		}
	}
	return fresh
}

func (t *Table) forget(now time.Time) {
	for name, h := range t.heard {
		if now.Sub(h.at) >= Expiry {
			delete(t.heard, name)
			t.absent.add(h, false)
		}
	}
}

// Answers returns the hubs that were heard of lately, except the one with this name, in the order of their names. Those that have not announced
// themselves since they were asked are marked as silent. A silent hub is left out if another one has announced its URL since: that has taken its
// place.
func (t *Table) Answers(name string, asked, now time.Time) (hubs []Hub) {
	all := t.Others(name, now)
	for _, h := range all {
		if !h.heard.Before(asked) {
			hubs = append(hubs, h)
			continue
		}
		replaced := slices.ContainsFunc(all, func(other Hub) bool { return h.URL != "" && other.URL == h.URL && !other.heard.Before(asked) })
		if !replaced {
			hubs = append(hubs, h.silence(now))
		}
	}
	return hubs
}

// Others returns the hubs that were heard of lately, except the one with this name, in the order of their names.
func (t *Table) Others(name string, now time.Time) []Hub {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forget(now)
	others := make([]Hub, 0, len(t.heard))
	for _, h := range t.heard {
		if h.hub.Name != name {
			h.hub.heard = h.at
			others = append(others, h.hub)
		}
	}
	slices.SortFunc(others, func(a, b Hub) int { return cmp.Compare(a.Name, b.Name) })
	return others
}
