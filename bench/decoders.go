package bench

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"

	launchdarkly "github.com/launchdarkly/eventsource"
	"github.com/openai/openai-go/v3/packages/ssestream"
	r3labs "github.com/r3labs/sse/v2"
	tmaxmax "github.com/tmaxmax/go-sse"

	"github.com/tidings-sse/tidings/sse"
)

// Decoder is a contestant. Its decode reads one complete stream and reads the data of every event. A yardstick finds no events: it shows the
// maximum speed of a pass over the bytes.
type Decoder struct {
	Name      string
	Yardstick bool
	decode    func(wire []byte) (Count, error)
}

// Decoders are the yardsticks and the contestants, ours first. The scanner of modelcontextprotocol/go-sdk would be
// another, but it is not exported.
var Decoders = []Decoder{
	{"IndexByte", true, scanBytes},
	{"bufio.Scanner", true, scanLines},
	{"tidings-views", false, decodeViews},
	{"tidings-owned", false, decodeOwned},
	{"tmaxmax", false, decodeTmaxmax},
	{"openai-go", false, decodeOpenAI},
	{"launchdarkly", false, decodeLaunchDarkly},
	{"r3labs", false, decodeR3labs},
}

// Decode reads s and fails unless it finds all events of s.
func (d Decoder) Decode(s Stream) error {
	got, err := d.decode(s.Wire)
	if err != nil {
		return err
	}
	if !d.Yardstick && got != s.Count {
		return fmt.Errorf("%s found %+v in stream %s, which has %+v", d.Name, got, s.Name, s.Count)
	}
	return nil
}

// maxEvent is the size of the largest event, for contestants with a limit: 1 MiB.
const maxEvent = 4 << 20

func (c *Count) add(data int) {
	c.Events++
	c.Data += data
}

func decodeViews(wire []byte) (c Count, err error) {
	d := sse.NewDecoder(bytes.NewReader(wire), nil)
	for d.Next() {
		c.add(len(d.Data()))
	}
	return c, d.Err()
}

func decodeOwned(wire []byte) (c Count, err error) {
	for e, err := range sse.Read(bytes.NewReader(wire), nil) {
		if err != nil {
			return c, err
		}
		c.add(len(e.Data))
	}
	return c, nil
}

func decodeTmaxmax(wire []byte) (c Count, err error) {
	for e, err := range tmaxmax.Read(bytes.NewReader(wire), &tmaxmax.ReadConfig{MaxEventSize: maxEvent}) {
		if err != nil {
			return c, err
		}
		c.add(len(e.Data))
	}
	return c, nil
}

// decodeOpenAI uses the layer under openai-go's streams, before any JSON. It leaves an LF at the end of data.
func decodeOpenAI(wire []byte) (c Count, err error) {
	d := ssestream.NewDecoder(&http.Response{Body: io.NopCloser(bytes.NewReader(wire))})
	for d.Next() {
		c.add(len(bytes.TrimSuffix(d.Event().Data, []byte("\n"))))
	}
	return c, d.Err()
}

func decodeLaunchDarkly(wire []byte) (c Count, err error) {
	d := launchdarkly.NewDecoder(bytes.NewReader(wire))
	for {
		e, err := d.Decode()
		if errors.Is(err, io.EOF) {
			return c, nil
		}
		if err != nil {
			return c, err
		}
		c.add(len(e.Data()))
	}
}

// decodeR3labs uses the client without a network, because the decoder is not exported. After the first ID, it yields an event without data for
// a comment.
func decodeR3labs(wire []byte) (c Count, err error) {
	client := r3labs.NewClient("http://stream.test/", r3labs.ClientMaxBufferSize(maxEvent))
	client.Connection.Transport = answer(wire)
	err = client.SubscribeRaw(func(e *r3labs.Event) {
		if len(e.Data) > 0 {
			c.add(len(e.Data))
		}
	})
	return c, err
}

// answer is a transport that answers every request with the same bytes.
type answer []byte

func (a answer) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK,
		Header:     http.Header{"Content-Type": {"text/event-stream"}},
		Body:       io.NopCloser(bytes.NewReader(a)),
	}, nil
}

// scanBytes is the upper limit: one pass of the fastest search.
func scanBytes(wire []byte) (Count, error) {
	// 0xFF does not occur in UTF-8, so the search reads all bytes.
	if bytes.IndexByte(wire, 0xFF) >= 0 {
		return Count{}, errors.New("not UTF-8")
	}
	return Count{}, nil
}

// scanLines is the simplest loop over lines.
func scanLines(wire []byte) (Count, error) {
	s := bufio.NewScanner(bytes.NewReader(wire))
	s.Buffer(nil, maxEvent)
	for s.Scan() {
	}
	return Count{}, s.Err()
}
