package load

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/net/http2"
)

// Windows (RFC 9113, section 5.2). A subscriber reads what arrives, so the windows never hold the hub up: TCP does.
const (
	http2Window = 1 << 30
	giveBackAt  = http2Window / 2
)

// frameHeader is the size of the header of a frame (section 4.1).
const frameHeader = 9

// http2In is the input of a connection: the bytes that were read and not processed.
type http2In struct {
	conn net.Conn
	buf  []byte
	b    []byte // a part of buf

	// The DATA frame whose payload is being read.
	stream *http2Stream // nil: it has ended
	left   int          // bytes of the payload
	last   bool         // it ends the stream
}

// fill reads more bytes.
func (in *http2In) fill() error {
	n := copy(in.buf, in.b)
	more, err := in.conn.Read(in.buf[n:])
	in.b = in.buf[:n+more]
	if more > 0 {
		return nil
	}
	return err
}

// Read implements [io.Reader] for the Framer.
func (in *http2In) Read(p []byte) (int, error) {
	if len(in.b) == 0 {
		if err := in.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, in.b)
	in.b = in.b[n:]
	return n, nil
}

// greet sends the preface, and checks that the hub begins with its settings.
func (c *http2Conn) greet() error {
	c.shard.lock()
	c.out = append(c.out, http2.ClientPreface...)
	_ = c.frames.WriteSettings(
		http2.Setting{ID: http2.SettingEnablePush, Val: 0}, http2.Setting{ID: http2.SettingInitialWindowSize, Val: http2Window},
	) // http2Out never fails
	_ = c.frames.WriteWindowUpdate(0, http2Window) // as above
	c.send()
	c.shard.unlock()
	for len(c.in.b) < frameHeader {
		if err := c.in.fill(); err != nil {
			return err
		}
	}
	switch {
	case bytes.HasPrefix(c.in.b, []byte("HTTP/1.")):
		return errPlainHTTP1
	case http2.FrameType(c.in.b[3]) != http2.FrameSettings:
		return errNoHTTP2
	}
	return nil
}

// read processes what has been read, and reads more.
func (c *http2Conn) read() error {
	c.shard.lock()
	other := c.takeData(c.s.run.now())
	c.shard.unlock()
	if !other {
		return c.in.fill()
	}
	f, err := c.frames.ReadFrame()
	c.shard.lock()
	defer c.shard.unlock()
	if err == nil {
		err = c.process(f)
	}
	if bad, ok := errors.AsType[http2.StreamError](err); ok {
		c.reset(bad.StreamID, bad)
		err = nil
	}
	c.send()
	return err
}

// takeData passes on the data of DATA frames where it is, also of frames that are not complete. It reports whether another frame comes next.
func (c *http2Conn) takeData(now time.Duration) (other bool) {
	in := &c.in
	for {
		if in.left > 0 || in.last {
			n := min(in.left, len(in.b))
			if in.stream != nil {
				in.stream.receive(in.b[:n], now)
			}
			in.b = in.b[n:]
			if in.left -= n; in.left > 0 {
				return false
			}
			if in.last && in.stream != nil {
				in.stream.end(io.EOF)
			}
			in.last = false
		}
		if len(in.b) < frameHeader {
			return false
		}
		flags := http2.Flags(in.b[4])
		if http2.FrameType(in.b[3]) != http2.FrameData || flags.Has(http2.FlagDataPadded) {
			return true
		}
		in.left = int(in.b[0])<<16 | int(in.b[1])<<8 | int(in.b[2])
		in.last = flags.Has(http2.FlagDataEndStream)
		id := uint32(in.b[5])<<24 | uint32(in.b[6])<<16 | uint32(in.b[7])<<8 | uint32(in.b[8])
		in.b = in.b[frameHeader:]
		in.stream = c.stream(id)
		c.giveBack(in.stream, in.left)
	}
}

// stream returns a stream that has not ended, nil if there is none.
func (c *http2Conn) stream(id uint32) *http2Stream {
	if i := int(id / 2); id%2 == 1 && i < len(c.streams) {
		return c.streams[i]
	}
	return nil
}

// giveBack gives received bytes back to the windows, once they are many.
func (c *http2Conn) giveBack(st *http2Stream, n int) {
	if c.taken += uint32(n); c.taken >= giveBackAt {
		_ = c.frames.WriteWindowUpdate(0, c.taken) // http2Out never fails
		c.taken = 0
		c.send()
	}
	if st == nil {
		return
	}
	if st.taken += uint32(n); st.taken >= giveBackAt {
		_ = c.frames.WriteWindowUpdate(st.id, st.taken) // as above
		st.taken = 0
		c.send()
	}
}

// process processes a frame other than the DATA frames that takeData takes.
func (c *http2Conn) process(f http2.Frame) error {
	switch f := f.(type) {
	case *http2.SettingsFrame:
		return c.settings(f)
	case *http2.MetaHeadersFrame:
		return c.head(f)
	case *http2.DataFrame:
		st := c.stream(f.StreamID)
		c.giveBack(st, int(f.Length))
		if st != nil {
			st.receive(f.Data(), c.s.run.now())
			if f.StreamEnded() {
				st.end(io.EOF)
			}
		}
	case *http2.PingFrame:
		if !f.IsAck() {
			return c.frames.WritePing(true, f.Data)
		}
	case *http2.RSTStreamFrame:
		if st := c.stream(f.StreamID); st != nil {
			st.end(fmt.Errorf("the hub reset the stream: %v", f.ErrCode))
		}
	case *http2.GoAwayFrame:
		c.leaving = true
		for i := int(f.LastStreamID/2) + 1; i < len(c.streams); i++ {
			if st := c.streams[i]; st != nil {
				st.end(fmt.Errorf("the hub ends the connection: %v", f.ErrCode))
			}
		}
		c.begin()
	case *http2.PushPromiseFrame:
		return http2.ConnectionError(http2.ErrCodeProtocol) // the settings exclude it
	}
	return nil
}

func (c *http2Conn) settings(f *http2.SettingsFrame) error {
	if f.IsAck() {
		return nil
	}
	if most, ok := f.Value(http2.SettingMaxConcurrentStreams); ok {
		c.limit = min(c.s.run.Streams, int(min(most, 1<<30)))
	}
	if c.limit == 0 {
		return errors.New("the hub allows no stream")
	}
	if size, ok := f.Value(http2.SettingHeaderTableSize); ok {
		c.encoder.SetMaxDynamicTableSizeLimit(size)
	}
	c.ready = true
	c.begin()
	return c.frames.WriteSettingsAck()
}

// reset ends a stream of which the hub has sent an invalid frame.
func (c *http2Conn) reset(id uint32, err http2.StreamError) {
	_ = c.frames.WriteRSTStream(id, err.Code) // http2Out never fails
	if st := c.stream(id); st != nil {
		st.end(err)
	}
}

// head begins the answer of a stream, or ends it with trailers.
func (c *http2Conn) head(f *http2.MetaHeadersFrame) error {
	st := c.stream(f.StreamID)
	if st == nil {
		return nil
	}
	if !st.answer.begun {
		if status, err := strconv.Atoi(f.PseudoValue("status")); err != nil || status >= 200 { // below 200 it is only information
			st.begin(status, f)
		}
	}
	if f.StreamEnded() {
		st.end(io.EOF)
	}
	return nil
}

// http2Answer is the answer of a stream. The body of a refusal explains it, and may arrive long after the header.
type http2Answer struct {
	begun   bool
	refusal *Refusal    // the answer is not a stream
	late    *time.Timer // ends a refusal whose body does not end
}

// begin begins the answer.
func (st *http2Stream) begin(status int, f *http2.MetaHeadersFrame) {
	resp := &http.Response{
		Status: fmt.Sprintf("%d %s", status, http.StatusText(status)), StatusCode: status, Proto: "HTTP/2.0", ProtoMajor: 2, Header: make(http.Header),
	}
	for _, field := range f.RegularFields() {
		resp.Header.Add(field.Name, field.Value)
	}
	a := &st.answer
	a.begun = true
	if a.refusal = refused(resp); a.refusal == nil {
		st.conn.s.run.opened(st.sub)
		return
	}
	a.late = time.AfterFunc(refusalWait, func() {
		c := st.conn
		c.shard.lock()
		defer c.shard.unlock()
		if st.sub != nil {
			_ = c.frames.WriteRSTStream(st.id, http2.ErrCodeCancel) // http2Out never fails
			c.send()
			st.end(io.EOF)
		}
	})
}

// receive takes data of the stream.
func (st *http2Stream) receive(b []byte, now time.Duration) {
	switch {
	case st.sub == nil || !st.answer.begun:
	case st.answer.refusal != nil:
		st.answer.refusal.explain(b)
	default:
		st.sub.receive(b, now)
	}
}

func (a *http2Answer) stop() {
	if a.late != nil {
		a.late.Stop()
	}
}

// cause returns why the answer ended, given the error that ended it.
func (a *http2Answer) cause(err error) error {
	if a.refusal != nil {
		return a.refusal
	}
	return err
}
