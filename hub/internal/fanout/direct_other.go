//go:build !linux

package fanout

import (
	"errors"
	"net"
)

// Direct sockets exist on Linux only, so that on other systems every subscriber of HTTP/1.1 has a runner.

const maxStray = 0

func closeSocket(int32) {}

func socketOf(net.Conn) (fd int32, ok bool) { return -1, false }

func (*direct) discardInput() bool { return true }

// poller watches nothing: runners learn from their connections that clients have disconnected.
type poller struct{}

func (*poller) add(*subscriber, int32) (slot int32, err error) { return -1, errors.ErrUnsupported }
func (*poller) awaitWritable(slot, fd int32) error             { return errors.ErrUnsupported }
func (*poller) remove(slot int32)                              {}
func (*poller) unwatch(fd int32)                               {}
func (*poller) each(func(*subscriber))                         {}
func (*poller) stop()                                          {}
