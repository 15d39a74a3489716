package h2

import (
	"math"

	"golang.org/x/net/http2"
)

const (
	// defaultWindow is the window of a connection and its streams before settings change it (RFC 9113, section 6.9.2).
	defaultWindow = 65535

	// maxWindow is the largest window (section 6.9.1).
	maxWindow = math.MaxInt32

	// maxSettings is the largest number of settings in a frame. There are fewer than ten kinds.
	maxSettings = 100
)

// process changes the state of the connection as a frame says. It returns an http2.StreamError, an http2.ConnectionError, or nil. The caller holds
// mu.
func (c *conn) process(f http2.Frame) error {
	if c.leaving && f.Header().StreamID > c.last { // the client may open those streams on another connection (RFC 9113, section 6.8)
		if data, ok := f.(*http2.DataFrame); ok {
			return c.refund(data)
		}
		return nil
	}
	switch f := f.(type) {
	case *http2.MetaHeadersFrame:
		return c.processHeaders(f)
	case *http2.DataFrame:
		return c.processData(f)
	case *http2.SettingsFrame:
		return c.processSettings(f)
	case *http2.PingFrame:
		if !f.IsAck() {
			return c.frames.WritePing(true, f.Data)
		}
		if f.Data == leavePing {
			c.leave()
		}
	case *http2.WindowUpdateFrame:
		return c.processWindowUpdate(f)
	case *http2.RSTStreamFrame:
		return c.processReset(f)
	case *http2.PriorityFrame:
		return checkPriority(f.StreamID, f.PriorityParam)
	case *http2.GoAwayFrame:
		c.leave()
	case *http2.PushPromiseFrame: // only servers may push
		return http2.ConnectionError(http2.ErrCodeProtocol)
	}
	return nil
}

// isIdle reports whether nobody has used a stream yet.
func (c *conn) isIdle(id uint32) bool { return id%2 == 0 || id > c.newest }

func (c *conn) processSettings(f *http2.SettingsFrame) error {
	if f.IsAck() {
		return nil
	}
	if f.NumSettings() > maxSettings {
		return http2.ConnectionError(http2.ErrCodeProtocol)
	}
	if err := f.ForeachSetting(c.processSetting); err != nil {
		return err
	}
	return c.frames.WriteSettingsAck()
}

func (c *conn) processSetting(s http2.Setting) error {
	if err := s.Valid(); err != nil {
		return err
	}
	switch s.ID {
	case http2.SettingHeaderTableSize:
		c.headers.SetMaxDynamicTableSize(min(s.Val, 4<<10))
	case http2.SettingInitialWindowSize:
		return c.setFirstWindow(int64(s.Val))
	case http2.SettingMaxFrameSize:
		c.frameSize = min(int64(s.Val), largestFrame)
	}
	return nil
}

// setFirstWindow sets the window of new streams, and changes those of all streams by the difference (RFC 9113, section 6.9.2).
func (c *conn) setFirstWindow(size int64) error {
	more := size - c.firstWindow
	c.firstWindow = size
	for _, st := range c.streams {
		if st.window += more; st.window > maxWindow {
			return http2.ConnectionError(http2.ErrCodeFlowControl)
		}
	}
	c.madeRoom()
	return nil
}

func (c *conn) processWindowUpdate(f *http2.WindowUpdateFrame) error {
	if f.StreamID == 0 {
		if c.window += int64(f.Increment); c.window > maxWindow {
			return http2.ConnectionError(http2.ErrCodeFlowControl)
		}
		c.madeRoom()
		return nil
	}
	st := c.streams[f.StreamID]
	switch {
	case st == nil && c.isIdle(f.StreamID):
		return http2.ConnectionError(http2.ErrCodeProtocol)
	case st == nil: // it has ended
		return nil
	}
	if st.window += int64(f.Increment); st.window > maxWindow {
		return http2.StreamError{StreamID: f.StreamID, Code: http2.ErrCodeFlowControl}
	}
	st.unblock()
	c.changed.Broadcast()
	return nil
}

func (c *conn) processReset(f *http2.RSTStreamFrame) error {
	if c.isIdle(f.StreamID) {
		return http2.ConnectionError(http2.ErrCodeProtocol)
	}
	if st := c.streams[f.StreamID]; st != nil {
		c.drop(st, http2.StreamError{StreamID: f.StreamID, Code: f.ErrCode})
	}
	return nil
}

// checkPriority returns an error for a stream that depends on itself. Priorities have no other effect.
func checkPriority(id uint32, p http2.PriorityParam) error {
	if id == p.StreamDep {
		return http2.StreamError{StreamID: id, Code: http2.ErrCodeProtocol}
	}
	return nil
}
