//go:build !linux

package socket

import (
	"errors"
	"time"
)

// Sends that do not block exist on Linux only.
const supported = false

// Send is never called: [Of] returns no connection.
func Send(int32, []byte) (int, error) { return 0, errors.ErrUnsupported }

// Tune does nothing.
func Tune(int, time.Duration) {}
