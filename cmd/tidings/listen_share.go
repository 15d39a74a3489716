package main

import (
	"fmt"
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
