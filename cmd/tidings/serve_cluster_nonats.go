//go:build nonats

package main

import (
	"context"
	"errors"
	"fmt"
)

// errNoServer is the error of a program that was built without the NATS server.
var errNoServer = errors.New("--cluster-peers needs the NATS server, which this program was built without (-tags nonats)" +
	"\nhint: run NATS servers of your own and name them by --nats, or use the usual program")

func (f *serveFlags) checkPeers() error { return errNoServer }

func (f *serveFlags) alone() bool { return false }

func (s *sharedLog) identify(context.Context) (name, host string, err error) {
	return "", "", errNoServer
}

func (s *sharedLog) openNode(context.Context) (*backend, error) { return nil, errNoServer }

// leaveCluster is for hubs with --cluster-peers, whose files this program does not know.
func leaveCluster(dir string) (left bool, err error) {
	return false, fmt.Errorf("whether %s has a part of a shared log is not known: this program was built without the NATS server (-tags nonats)"+
		"\nhint: use the usual program; a hub with --nats or --redis has none, and needs no change", dir)
}
