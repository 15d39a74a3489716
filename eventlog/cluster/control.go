package cluster

import (
	"encoding/json"
	"fmt"

	"github.com/tidings-sse/tidings/eventlog"
)

// Topic is the topic of the records that the hubs write about the cluster itself: [BeginType] and [SettingsType], with JSON as data.
const Topic = "$tidings/cluster"

// Types of the records of [Topic].
const (
	BeginType    = "begin"
	SettingsType = "settings"
)

// control is a message from hub to hub in the shared log. All mirrors act on it when they reach it.
type control struct {
	Begin    *Begin    `json:"begin,omitempty"`
	Settings *Settings `json:"settings,omitempty"`
	Audit    *audit    `json:"audit,omitempty"`
}

// Begin is the beginning of a generation. It takes effect only if Prev is the generation in force at its position. Of two
// beginnings, the first in log order takes effect.
type Begin struct {
	Gen      string `json:"gen"`
	Prev     string `json:"prev"`            // empty: there was none
	Forced   bool   `json:"forced,omitzero"` // it counts whatever generation is in force
	Cause    string `json:"cause"`
	Identity string `json:"identity"` // of the order from here on, see Bounds

	// After is the last number of which the hub that wrote this knows that it is the same in both generations.
	After uint64 `json:"after"`

	// Message and ID identify the message after which a newly created order continues. A mirror that ends with this message
	// continues.
	Message uint64 `json:"message,omitzero"`
	ID      string `json:"id,omitzero"`
}

// audit is the digest of the decisions of a hub up to a message.
type audit struct {
	Message uint64 `json:"message"`
	ID      string `json:"id"` // short for that of the message
	Digest  string `json:"digest"`
	Hub     string `json:"hub"`
	Checked bool   `json:"checked,omitzero"` // the hub has found all its messages in the order: a vote in a dispute
	Gap     bool   `json:"gap,omitzero"`     // the hub lacks messages
}

// frame returns the control message as the data of a message.
func (c *control) frame(sent, clock int64, known hint) []byte {
	body, err := json.Marshal(c)
	if err != nil {
		panic(err) // it consists of texts and numbers
	}
	b := append(beginFrame(make([]byte, 0, len(body)+frameMost), kindControl, sent, clock, known), body...)
	sealFrame(b)
	return b
}

// decodeControl decodes a control message. Fields that this version does not know are ignored.
func decodeControl(body []byte) (control, error) {
	var c control
	if err := json.Unmarshal(body, &c); err != nil {
		return control{}, fmt.Errorf("%w: %w", errDamaged, err)
	}
	if c.Begin != nil && !eventlog.ValidGeneration(c.Begin.Gen) {
		return control{}, errDamaged
	}
	if c.Settings != nil {
		if _, err := c.Settings.retention(); err != nil {
			return control{}, fmt.Errorf("%w: %w", errDamaged, err)
		}
	}
	return c, nil
}

// counts reports whether a begin takes effect while a generation is in force.
func (b *Begin) counts(gen string) bool { return b.Forced || b.Prev == gen }

// records returns the records that a mirror stores for a control message.
func (c *control) records(begins bool) (records []eventlog.Record) {
	add := func(kind string, value any) {
		data, err := json.Marshal(value)
		if err != nil {
			panic(err) // it consists of texts and numbers
		}
		records = append(records, eventlog.Record{Topics: []string{Topic}, Type: kind, Data: string(data), ContentType: "application/json"})
	}
	if c.Begin != nil && begins {
		add(BeginType, c.Begin)
	}
	if c.Settings != nil {
		add(SettingsType, c.Settings)
	}
	return records
}
