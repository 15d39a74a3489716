//go:build !unix

package main

import "os"

// restartSignals returns nil: this system has no signal for a restart.
func restartSignals() chan os.Signal { return nil }

func nodeOf(os.FileInfo) string { return "" }

func reloading() []string { return []string{"RELOADING=1"} }
