//go:build !unix

package main

// fileLimit is for systems that do not bound the files of a process.
func fileLimit() (limit uint64, ok bool) { return 0, false }
