package wire

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
)

// MaxPresentData is the size of the largest data of a member, in bytes of JSON.
const MaxPresentData = 256

// Presence is the data of a presence event. Exactly one of three forms is set:
//   - Members: the whole state. It replaces what the watcher knows.
//   - In and Out: the subjects that have changed since the event before, as they are now. They may repeat what the watcher knows.
//   - neither: the topic has too many members for events to name them. Only their number is known.
type Presence struct {
	Topic    string   `json:"topic"`
	Streams  int      `json:"streams"`          // open streams that asked to be seen
	Subjects int      `json:"subjects"`         // members
	Members  []Member `json:"members,omitzero"` // not nil: all of them, in the order of their subjects
	In       []Member `json:"in,omitzero"`      // not nil: those that are present
	Out      []string `json:"out,omitzero"`     // not nil, with In: those that are not

	// Settling says that the hub has just begun to serve: members of before may be missing, and none of them has left.
	Settling bool `json:"settling,omitempty"`
}

// Member is a subject that is present at a topic.
type Member struct {
	Subject string          `json:"subject"`
	Data    json.RawMessage `json:"data,omitempty"` // from its token
}

// Data returns the data of a presence event.
func (p Presence) Data() string {
	text, _ := JSON(p) // Data of a member is JSON
	return string(text)
}

// JSON returns the JSON of a value. It does not escape the characters of HTML: that makes six bytes of each, and changes the bytes of a
// [json.RawMessage].
func JSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// ParsePresence reads the data of a presence event.
func ParsePresence(data string) (p Presence, err error) {
	return p, json.Unmarshal([]byte(data), &p)
}

// SortPresence sorts the changes of a presence event, so that equal changes have equal bytes.
func SortPresence(in []Member, out []string) {
	slices.SortFunc(in, func(a, b Member) int { return cmp.Compare(a.Subject, b.Subject) })
	slices.Sort(out)
}

// PresenceCount is how many are present at a topic.
type PresenceCount struct {
	Topic    string `json:"topic"`
	Streams  int    `json:"streams"`
	Subjects int    `json:"subjects"`
}
