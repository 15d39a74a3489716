//go:build unix

package main

import "syscall"

// fileLimit returns how many files this process may open.
func fileLimit() (limit uint64, ok bool) {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		return 0, false
	}
	return min(uint64(r.Cur), 1<<30), true //nolint:unconvert // the type is signed on some systems
}
