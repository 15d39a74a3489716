package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// hubNameFile has the name of a hub with --nats or --redis. With --cluster-peers the name is in the file of the hub's NATS server.
const hubNameFile = "hub-name"

// ownName returns the name of a hub whose shared log is elsewhere. By default it is the name of the machine with a random suffix, kept in the data
// directory, so that hubs on one machine, or in containers with one host name, differ.
func (f *serveFlags) ownName(dir string) (string, error) {
	if f.ClusterName != "" {
		return f.ClusterName, nil
	}
	file := filepath.Join(dir, hubNameFile)
	text, err := os.ReadFile(file)
	if name := strings.TrimSpace(string(text)); err == nil && name != "" {
		return name, nil
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	machine, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("%w\nhint: --cluster-name says what this hub is called", err)
	}
	name := machine + "-" + strings.ToLower(rand.Text()[:4])
	if err := os.WriteFile(file+".new", []byte(name+"\n"), 0o600); err != nil {
		return "", err
	}
	return name, os.Rename(file+".new", file) // after a power failure the hub may get another name
}
