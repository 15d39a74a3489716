//go:build !linux

package hub

import (
	"errors"
	"net"
	"time"
)

// Elsewhere every subscriber has a goroutine.

func send(int32, []byte) (int, error) { return 0, errors.ErrUnsupported }

func closeSocket(int32) {}

func bytesOf(text string) []byte { return []byte(text) }

func detach(net.Conn, time.Duration) (fd int32, ok bool, err error) { return -1, false, nil }

func number(net.Conn) (fd int32, ok bool) { return -1, false }

type poller struct{}

func (*poller) add(*subscriber) error           { return nil }
func (*poller) awaitWritable(*subscriber) error { return nil }
func (*poller) remove(*subscriber)              {}
func (*poller) each(func(*subscriber))          {}
func (*poller) close(func(*subscriber))         {}
