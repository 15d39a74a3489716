package main

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
)

// listened is an address at which the hub listens.
type listened struct {
	flag, value string
	addr        string // as --addr has it; empty: the hub does not listen there
	advice      string // what to do if another flag has the same address
}

const otherPort = "choose another port for one of them"

// checkApart refuses an address that two flags name, because a process can listen there once.
func (f *serveFlags) checkApart() error {
	if f.ClusterListen == "" || f.alone() {
		return f.apartFrom(listened{})
	}
	return f.apartFrom(listened{"--cluster-listen", f.ClusterListen, anywhere(f.ClusterListen), otherPort})
}

// apartFrom is checkApart for a hub that listens for the other hubs at an address.
func (f *serveFlags) apartFrom(hubs listened) error {
	all := []listened{
		{"--addr", f.Addr, f.Addr, otherPort},
		{"--admin-addr", f.AdminAddr, f.AdminAddr, otherPort + ", or leave --admin-addr out"},
		hubs,
	}
	if f.HTTPAddr != httpAuto && f.HTTPAddr != httpOff { // with auto, the hub does without that listener if it cannot have it
		all = append(all, listened{"--http-addr", f.HTTPAddr, f.HTTPAddr, otherPort + ", or leave --http-addr out"})
	}
	for i, one := range all {
		for _, other := range all[i+1:] {
			if one.addr != "" && other.addr != "" && overlap(one.addr, other.addr) {
				return &exitError{exitUsage, fmt.Errorf("%s %s and %s %s are one address; %s", one.flag, one.value, other.flag, other.value, other.advice)}
			}
		}
	}
	return nil
}

// anywhere returns an address for the other hubs as --addr has it. A port alone means all addresses between hubs, and localhost in --addr.
func anywhere(addr string) string {
	if port, ok := strings.CutPrefix(addr, ":"); ok {
		return net.JoinHostPort("0.0.0.0", port)
	}
	return addr
}

// overlap reports whether a process cannot listen at both addresses. Port 0 is a free port, each time another one.
func overlap(a, b string) bool {
	if isUnix(a) || isUnix(b) {
		return isUnix(a) && isUnix(b) && samePath(strings.TrimPrefix(a, unixPrefix), strings.TrimPrefix(b, unixPrefix))
	}
	hostA, portA, errA := splitAddr(a)
	hostB, portB, errB := splitAddr(b)
	return errors.Join(errA, errB) == nil && portA == portB && portA != "0" && (hostA == hostB || covers(hostA, hostB) || covers(hostB, hostA))
}

// samePath reports whether two paths differ only in how they are written. It follows no links.
func samePath(a, b string) bool {
	fullA, errA := filepath.Abs(a)
	fullB, errB := filepath.Abs(b)
	return errors.Join(errA, errB) == nil && fullA == fullB
}

// covers reports whether listening at a host includes another one.
func covers(host, other string) bool {
	switch host {
	case "0.0.0.0":
		return !strings.Contains(other, ":") // an IPv6 address
	case "::":
		return true
	}
	return host == "localhost" && (other == "127.0.0.1" || other == "::1")
}
