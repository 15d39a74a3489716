//go:build !linux

package socket

import (
	"errors"
	"net"
	"time"
)

// Sends that do not block exist on Linux only.
const supported = false

// Send is never called: [Of] returns no connection.
func Send(int32, []byte) (int, error) { return 0, errors.ErrUnsupported }

func receive(int32, []byte) (int, error) { return 0, errors.ErrUnsupported }

func closeSocket(int32) error { return errors.ErrUnsupported }

// Take finds no socket.
func Take(net.Conn, time.Duration) (fd int32, ok bool, err error) { return -1, false, nil }

// Tune does nothing.
func Tune(int, time.Duration) {}
