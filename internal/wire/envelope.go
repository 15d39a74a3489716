package wire

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
	"unsafe"
)

// Envelope is an event as JSON: the data of an SSE event with format=envelope, and a line of NDJSON. It carries what a plain SSE event
// cannot: the topics, and whether data is bytes.
type Envelope struct {
	ID       string    `json:"id,omitempty"` // the position; a control event may have none
	Topic    string    `json:"topic,omitempty"`
	Topics   []string  `json:"topics,omitempty"` // all of them, Topic first; none in a control event
	Type     string    `json:"type"`             // never empty
	Time     time.Time `json:"time"`
	Data     string    `json:"data"`
	Encoding string    `json:"encoding"` // of Data: UTF8 or Base64
}

// The encodings of data.
const (
	UTF8   = "utf-8"
	Base64 = "base64"
)

// Append appends the envelope as JSON, which has no line ends.
func (e *Envelope) Append(b []byte) []byte {
	text, _ := json.Marshal(e) // strings, and a time that is in range
	return append(b, text...)
}

// ParseEnvelope reads an envelope. It ignores members that it does not know, fills in what a hub may leave out, and refuses an event
// without a position or a topic: no hub sends one. Data is not decoded yet: see [Envelope.Content].
func ParseEnvelope(text string) (e Envelope, err error) {
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		return e, err
	}
	if e.Topic == "" && len(e.Topics) > 0 {
		e.Topic = e.Topics[0]
	}
	if e.Topic == "" || e.ID == "" {
		return e, fmt.Errorf("its topic is %.100q and its id %.100q", e.Topic, e.ID)
	}
	if len(e.Topics) == 0 {
		e.Topics = []string{e.Topic}
	}
	e.Type = cmp.Or(e.Type, DefaultType)
	return e, nil
}

// Content returns the data of the envelope, and whether the publisher sent it as bytes.
func (e *Envelope) Content() (data string, binary bool, err error) { return Decode(e.Data, e.Encoding) }

// Encode returns data as it travels in JSON, with its encoding. Data that is not UTF-8 is encoded as bytes in any case.
func Encode(data string, binary bool) (text, encoding string) {
	if binary || !utf8.ValidString(data) {
		return base64.StdEncoding.EncodeToString([]byte(data)), Base64
	}
	return data, UTF8
}

// Decode undoes [Encode]. The encoding "" is UTF8.
func Decode(text, encoding string) (data string, binary bool, err error) {
	switch encoding {
	case "", UTF8:
		return text, false, nil
	case Base64:
		data, err = DecodeBase64(text)
		return data, true, err
	}
	return "", false, fmt.Errorf("the encoding is %.40q; it can be %s or %s", encoding, UTF8, Base64)
}

// DecodeBase64 decodes standard base64 with padding. Line ends after the text are ignored, as tools add one.
func DecodeBase64(text string) (string, error) {
	data, err := base64.StdEncoding.DecodeString(strings.TrimRight(text, "\r\n"))
	if err != nil {
		return "", fmt.Errorf("the data is not base64 (RFC 4648, section 4): %w", err)
	}
	return unsafe.String(unsafe.SliceData(data), len(data)), nil // nothing else refers to data
}

// errNoText is the error of base64 that is not a JSON string.
var errNoText = errors.New("the encoding is base64, but the data is not a string")
