//go:build unix

package main

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// closeOnExec keeps a descriptor from the programs that this process starts.
func closeOnExec(fd int) { syscall.CloseOnExec(fd) }

// checkListens returns an error unless a descriptor is a stream socket that listens.
func checkListens(fd int) error {
	kind, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_TYPE)
	switch {
	case err != nil:
		return notASocket(err)
	case kind != syscall.SOCK_STREAM:
		return errors.New("it is a socket for datagrams; a hub needs ListenStream=")
	}
	listens, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_ACCEPTCONN)
	if err == nil && listens == 0 {
		err = errors.New("it is a connection, not a socket that listens; a hub needs Accept=no")
	}
	return err
}

// duplicate returns a second descriptor of a socket. Those of net's File methods make the socket blocking when they are passed to a process, for this
// process, too: its Accept would then block Close.
func duplicate(socket syscall.Conn) (*os.File, error) {
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil, err
	}
	var fd int
	var failed error
	if err := raw.Control(func(of uintptr) { fd, failed = unix.FcntlInt(of, unix.F_DUPFD_CLOEXEC, 0) }); err != nil {
		return nil, err
	}
	if failed != nil {
		return nil, os.NewSyscallError("fcntl", failed)
	}
	return os.NewFile(uintptr(fd), "socket"), nil
}
