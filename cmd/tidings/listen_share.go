package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
)

// share returns duplicates of the sockets for another process.
func (p *place) share() (files []*os.File, err error) {
	for _, l := range p.sockets {
		socket, ok := l.(syscall.Conn)
		if !ok {
			return files, fmt.Errorf("the socket %s cannot be passed on", l.Addr())
		}
		f, err := duplicate(socket)
		if err != nil {
			return files, err
		}
		files = append(files, f)
	}
	return files, nil
}

// leave makes another process responsible for the file of a Unix socket.
func (p *place) leave() {
	for _, l := range p.sockets {
		if l, ok := l.(*socketListener); ok {
			l.leave()
		}
	}
}

// own makes this process responsible for that file. Those of systemd stay.
func (p *place) own() {
	if p.systemd {
		return
	}
	for _, l := range p.sockets {
		if l, ok := l.(*socketListener); ok && l.file == nil {
			l.own(p.socket)
		}
	}
}

// reopen listens again at a place that this process has left.
func (p *place) reopen(files []*os.File) error {
	p.sockets = nil
	for _, f := range files {
		l, err := fileListener(f)
		if err != nil {
			return err
		}
		p.sockets = append(p.sockets, l)
	}
	p.own()
	p.layer()
	return nil
}

// keepUnix returns the listeners of a Unix socket from the process before, whose mode may have changed. If its file was deleted, no client can
// connect to that socket any more, and keepUnix listens again.
func keepUnix(listeners []net.Listener, path string, mode fs.FileMode) ([]net.Listener, error) {
	free := checkFree(path)
	if free == nil {
		l, err := listenUnix(path, mode)
		if err != nil {
			return nil, err
		}
		closeAll(listeners)
		return []net.Listener{l}, nil
	}
	if info, err := os.Lstat(path); err != nil || info.Mode()&fs.ModeSocket == 0 {
		return nil, errors.Join(err, free)
	}
	return listeners, os.Chmod(path, mode)
}

// explain returns the error for an address at which the process cannot listen. The process before may listen there in another role: its connections
// must not be served in this one.
func (g given) explain(err error, role, addr string) error {
	flags := map[string]string{rolePublic: "addr", roleAdmin: "admin-addr", rolePlain: "http-addr"}
	for other, s := range g {
		if other != role && sameAddr(s.addr, addr) {
			return fmt.Errorf("the running hub listens on %s as its %s, and a restart does not make that its %s; stop it and start it again, or choose another address", addr, flags[other], flags[role])
		}
	}
	return err
}

// sameAddr reports whether two addresses differ only in how they are written.
func sameAddr(a, b string) bool {
	if a == b || isUnix(a) || isUnix(b) {
		return a == b
	}
	hostA, portA, errA := splitAddr(a)
	hostB, portB, errB := splitAddr(b)
	return errA == nil && errB == nil && hostA == hostB && portA == portB
}
