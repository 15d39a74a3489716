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

// listenUnix listens on a socket in the file system. What a program that was killed has left there is replaced; the socket of one that
// runs, and what is no socket, is not.
//
// The socket is made in a directory of its own, which nobody else may enter, until it has its mode: before that the umask says who may
// connect. The directory also keeps two programs that begin at the same time from replacing each other's socket.
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

// longestSocket is how long the name of a socket may be on Linux; elsewhere it is a few bytes less, and the system says so.
const longestSocket = 107

// putSocket makes a socket in a directory, and puts it where it is asked for.
func putSocket(path, private string, mode fs.FileMode) (*socketListener, error) {
	if err := checkFree(path); err != nil {
		return nil, err
	}
	at := filepath.Join(private, privateSocket)
	if most := longestSocket - len(at) + len(path); len(at) > longestSocket {
		return nil, fmt.Errorf("cannot listen on %s: the name of the socket has %d bytes, at most %d are possible", path, len(path), most)
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

// startsWithin is longer than a process needs to put a socket in its place.
const startsWithin = 10 * time.Second

// makePrivate makes a directory, unless another program has it at the moment. One that is older is of a program that was killed.
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
		return fmt.Errorf("%s is in the way; name another socket, or remove it", dir)
	case time.Since(info.ModTime()).Abs() < startsWithin:
		return fmt.Errorf("another program is about to, by %s; name another socket", dir)
	}
	if err := removePrivate(dir); err != nil {
		return err
	}
	return os.Mkdir(dir, 0o700)
}

// privateSocket is what the socket is called in its private directory.
const privateSocket = "s"

// removePrivate removes a private directory. If something else is in it, it is none, and stays.
func removePrivate(dir string) error {
	if err := os.Remove(filepath.Join(dir, privateSocket)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Remove(dir)
}

// socketListener removes its socket at the end, unless another program has put its own in the place of it.
type socketListener struct {
	*net.UnixListener
	path   string
	file   fs.FileInfo
	remove sync.Once
}

// Close implements [net.Listener]. It removes the file first: while this listener is open, the file cannot be the one of another process.
func (l *socketListener) Close() error {
	var err error
	l.remove.Do(func() {
		if now, gone := os.Lstat(l.path); gone == nil && os.SameFile(now, l.file) {
			err = os.Remove(l.path)
		}
	})
	return errors.Join(err, l.UnixListener.Close())
}

// checkFree returns an error unless a socket may be put at a path.
func checkFree(path string) error {
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
	return nil
}

// connRefused reports whether a connection failed because no process listens.
func connRefused(err error) bool {
	const windows syscall.Errno = 10061 // WSAECONNREFUSED; no other system goes this far
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, windows)
}
