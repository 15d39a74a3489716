//go:build !unix

package main

import "os"

// restartSignals returns a channel without values: this system has no signal for a restart.
func restartSignals() (asked chan os.Signal, stop func()) { return nil, func() {} }

func reloading() []string { return []string{"RELOADING=1"} }
