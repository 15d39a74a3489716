package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
)

const unixPrefix = "unix:"

// listenUnix listens on a socket in the file system. What a program that was killed has left there is removed; the socket of one that
// runs, and what is no socket, is not.
func listenUnix(path string, mode fs.FileMode) (net.Listener, error) {
	if path == "" {
		return nil, &exitError{exitUsage, errors.New("--addr unix: names no file\nhint: --addr unix:/run/tidings.sock")}
	}
	if err := removeStale(path); err != nil {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", path, err)
	}
	if err := os.Chmod(path, mode); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func removeStale(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("cannot listen on %s: %w", path, err)
	case info.Mode()&fs.ModeSocket == 0:
		return fmt.Errorf("cannot listen on %s: there is a file that is no socket; name another, or remove it", path)
	}
	conn, err := net.Dial("unix", path)
	switch {
	case err == nil:
		_ = conn.Close() // it was only a question
		return fmt.Errorf("%s is in use by another program; name another", path)
	case !connRefused(err):
		return fmt.Errorf("%s is there already, and whether a program uses it cannot be told: %w", path, err)
	}
	return os.Remove(path)
}

// connRefused reports whether nobody listens where a connection was tried.
func connRefused(err error) bool {
	const windows syscall.Errno = 10061 // WSAECONNREFUSED; no other system goes this far
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, windows)
}
