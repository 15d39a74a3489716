package bench

import (
	"bytes"
	"fmt"
	"strings"

	launchdarkly "github.com/launchdarkly/eventsource"
	tmaxmax "github.com/tmaxmax/go-sse"

	"github.com/tidings-sse/tidings/sse"
)

// Encoder is a contestant. prepare returns a function that encodes the event; its result is valid until the next call.
type Encoder struct {
	Name    string
	prepare func(sse.Event) func() ([]byte, error)
}

// Encoders are the simplest encoder and the contestants. r3labs/sse has no encoder apart from its server.
var Encoders = []Encoder{
	{"fmt.Fprintf", encodePlainly},
	{"tidings", encodeEvent},
	{"tidings-frame", encodeFrame},
	{"tmaxmax", encodeTmaxmax},
	{"tmaxmax-ready", encodeTmaxmaxReady},
	{"launchdarkly", encodeLaunchDarkly},
}

// Sample is an event that is encoded.
type Sample struct {
	Name  string
	Event sse.Event
}

// Samples are one line of 64 bytes, the same with a type and an ID, and 1 KiB in 16 lines.
func Samples() []Sample {
	line := strings.Repeat("0123456789abcdef", 4)
	return []Sample{
		{"line", sse.Event{Data: line}},
		{"typed", sse.Event{Type: "token", ID: "k3f9a-10482", Data: line}},
		{"1KiB", sse.Event{Data: strings.Repeat(line[:63]+"\n", 15) + line}},
	}
}

func encodePlainly(e sse.Event) func() ([]byte, error) {
	var buf bytes.Buffer
	return func() ([]byte, error) {
		buf.Reset()
		if e.Type != "" {
			fmt.Fprintf(&buf, "event: %s\n", e.Type)
		}
		if e.ID != "" {
			fmt.Fprintf(&buf, "id: %s\n", e.ID)
		}
		for line := range strings.SplitSeq(e.Data, "\n") {
			fmt.Fprintf(&buf, "data: %s\n", line)
		}
		fmt.Fprintln(&buf)
		return buf.Bytes(), nil
	}
}

func encodeEvent(e sse.Event) func() ([]byte, error) {
	var buf []byte
	return func() (_ []byte, err error) {
		buf, err = e.AppendTo(buf[:0])
		return buf, err
	}
}

// encodeFrame measures the cost of each further subscriber of the same event.
func encodeFrame(e sse.Event) func() ([]byte, error) {
	var buf []byte
	f, err := e.Frame()
	return func() ([]byte, error) {
		buf = f.AppendTo(buf[:0])
		return buf, err
	}
}

func encodeTmaxmax(e sse.Event) func() ([]byte, error) {
	var buf bytes.Buffer
	return func() ([]byte, error) {
		buf.Reset()
		_, err := newMessage(e).WriteTo(&buf)
		return buf.Bytes(), err
	}
}

// encodeTmaxmaxReady leaves out the work that tmaxmax does once for all subscribers.
func encodeTmaxmaxReady(e sse.Event) func() ([]byte, error) {
	var buf bytes.Buffer
	m := newMessage(e)
	return func() ([]byte, error) {
		buf.Reset()
		_, err := m.WriteTo(&buf)
		return buf.Bytes(), err
	}
}

func newMessage(e sse.Event) *tmaxmax.Message {
	m := new(tmaxmax.Message)
	if e.Type != "" {
		m.Type = tmaxmax.Type(e.Type)
	}
	if e.ID != "" {
		m.ID = tmaxmax.ID(e.ID)
	}
	m.AppendData(e.Data)
	return m
}

func encodeLaunchDarkly(e sse.Event) func() ([]byte, error) {
	var buf bytes.Buffer
	encoder := launchdarkly.NewEncoder(&buf, false)
	event := &publication{e}
	return func() ([]byte, error) {
		buf.Reset()
		err := encoder.Encode(event)
		return buf.Bytes(), err
	}
}

// publication is an event in the form that launchdarkly requires.
type publication struct{ event sse.Event }

func (p *publication) Id() string    { return p.event.ID }
func (p *publication) Event() string { return p.event.Type }
func (p *publication) Data() string  { return p.event.Data }
