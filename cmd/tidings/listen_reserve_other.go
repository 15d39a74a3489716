//go:build !unix

package main

// fileLimit reports that this system does not limit the open files of a process.
func fileLimit() (limit uint64, ok bool) { return 0, false }
