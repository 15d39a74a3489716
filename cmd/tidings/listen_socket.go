package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"sync"
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
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", path, err)
	}
	l.SetUnlinkOnClose(false)
	s := &socketListener{UnixListener: l, path: path}
	if s.file, err = os.Lstat(path); err == nil {
		err = os.Chmod(path, mode)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// socketListener removes its socket at the end, unless another program has put its own in the place of it.
type socketListener struct {
	*net.UnixListener
	path   string
	file   fs.FileInfo
	remove sync.Once
}

// Close implements [net.Listener]. The file goes first: as long as somebody listens on it no other can be taken for it.
func (l *socketListener) Close() error {
	var err error
	l.remove.Do(func() {
		if now, gone := os.Lstat(l.path); gone == nil && os.SameFile(now, l.file) {
			err = os.Remove(l.path)
		}
	})
	return errors.Join(err, l.UnixListener.Close())
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
