package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

const unixPrefix = "unix:"

// listenUnix listens on a Unix socket. It replaces the socket of a program that was killed, but not the socket of a running program, nor a file
// that is not a socket.
//
// It creates the socket in a private directory and moves it to its path when it has its mode: until then, the umask would decide who may
// connect. The directory also prevents two programs that start at the same time from replacing each other's socket.
func listenUnix(path string, mode fs.FileMode) (net.Listener, error) {
	private := path + ".new"
	if err := makePrivate(private); err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", path, err)
	}
	l, err := putSocket(path, private, mode)
	if gone := removePrivate(private); gone != nil && err == nil {
		return nil, errors.Join(gone, l.Close())
	}
	if err != nil {
		return nil, err
	}
	return l, nil
}

// longestSocket is the maximum length of a socket's path on Linux, in bytes. It is a few bytes less on other systems, which return an error.
const longestSocket = 107

// putSocket creates a socket in a private directory and moves it to its path.
func putSocket(path, private string, mode fs.FileMode) (*socketListener, error) {
	if err := checkFree(path); err != nil {
		return nil, err
	}
	at := filepath.Join(private, privateSocket)
	if most := longestSocket - len(at) + len(path); len(at) > longestSocket {
		return nil, fmt.Errorf("cannot listen on %s: the path of the socket has %d bytes; the maximum is %d", path, len(path), most)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: at, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", path, err)
	}
	l.SetUnlinkOnClose(false)
	made := &socketListener{UnixListener: l, path: path}
	if err := os.Chmod(at, mode); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	if made.file, err = os.Lstat(at); err == nil {
		err = os.Rename(at, path)
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return made, nil
}

// startsWithin is longer than a process needs to create its socket.
const startsWithin = 10 * time.Second

// makePrivate creates the private directory. A directory older than startsWithin is from a program that was killed, and is replaced. A newer one
// belongs to a program that is starting, and is an error.
func makePrivate(dir string) error {
	err := os.Mkdir(dir, 0o700)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Lstat(dir)
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s exists and is not a directory; remove it, or choose another socket", dir)
	case time.Since(info.ModTime()).Abs() < startsWithin:
		return fmt.Errorf("another program is starting to listen there, and uses %s; choose another socket", dir)
	}
	if err := removePrivate(dir); err != nil {
		return err
	}
	return os.Mkdir(dir, 0o700)
}

// privateSocket is the name of the socket in its private directory.
const privateSocket = "s"

// removePrivate removes a private directory. A directory with other files in it stays.
func removePrivate(dir string) error {
	if err := os.Remove(filepath.Join(dir, privateSocket)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Remove(dir)
}

// socketListener removes its socket when it closes, unless another program has replaced it.
type socketListener struct {
	*net.UnixListener
	path   string
	file   fs.FileInfo // nil: another process removes the socket
	remove sync.Once
}

// own makes this process responsible for the file of a socket that another process has created.
func (l *socketListener) own(path string) {
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSocket != 0 {
		l.path, l.file = path, info
	}
}

// leave makes another process responsible for the file.
func (l *socketListener) leave() { l.remove.Do(func() {}) }

// Close implements [net.Listener]. It removes the file before it closes the listener, because no other process replaces the socket of an open
// listener.
func (l *socketListener) Close() error {
	var err error
	l.remove.Do(func() {
		if l.file == nil {
			return
		}
		if now, gone := os.Lstat(l.path); gone == nil && os.SameFile(now, l.file) {
			err = os.Remove(l.path)
		}
	})
	return errors.Join(err, l.UnixListener.Close())
}

// checkFree returns an error unless path is free, or has the socket of a program that no longer runs.
func checkFree(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("cannot listen on %s: %w", path, err)
	case info.Mode()&fs.ModeSocket == 0:
		return fmt.Errorf("cannot listen on %s: this file is not a socket; remove it, or choose another path", path)
	}
	conn, err := net.Dial("unix", path)
	switch {
	case err == nil:
		_ = conn.Close() // it was only a probe
		return fmt.Errorf("%s is in use by another program; choose another path", path)
	case !connRefused(err):
		return fmt.Errorf("%s exists, and it is unknown whether a program uses it: %w", path, err)
	}
	return nil
}

// connRefused reports whether a connection failed because no process listens.
func connRefused(err error) bool {
	const windows syscall.Errno = 10061 // WSAECONNREFUSED; other systems have no number this large
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, windows)
}
