package driver

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Config configures a driver.
type Config struct {
	Hubs   int
	Binary string                // the program; each driver says how to get it
	Dir    string                // for the data of nodes
	Host   func(node int) string // the address of a node, by its index in Nodes from 1
	// Link returns the address by which hub from reaches hub to, which listens on target; nil: that is the target.
	Link func(from, to int, target string) (string, error)
	// KeepBytes limits what hubs of Tidings keep, in the form of their flag. Empty: practically without a limit.
	KeepBytes string
	Brief     time.Duration // see history.Promise

	Port int // for clients of hubs, if each hub has an address of its own; 0 means any free one
}

// address returns where a node listens for clients.
func (c *Config) address(node int) (string, error) {
	if c.Port != 0 {
		return net.JoinHostPort(c.Host(node), strconv.Itoa(c.Port)), nil
	}
	return FreeAddress(c.Host(node))
}

// Drivers are all drivers by name.
var Drivers = map[string]func(Config) (Driver, error){
	"tidings":         func(c Config) (Driver, error) { return NewTidings(c) },
	"tidings-cluster": func(c Config) (Driver, error) { return NewTidingsCluster(c) },
	"tidings-nats":    func(c Config) (Driver, error) { return NewTidingsNATS(c) },
	"tidings-redis":   func(c Config) (Driver, error) { return NewTidingsRedis(c) },
	"mercure":         func(c Config) (Driver, error) { return NewMercure(c) },
	"centrifugo":      func(c Config) (Driver, error) { return NewCentrifugo(c) },
	"centrifugo-redis-aof": func(c Config) (Driver, error) {
		return NewCentrifugoRedis(c, "--save", "", "--appendonly", "yes", "--appendfsync", "everysec")
	},
	"centrifugo-redis-default": func(c Config) (Driver, error) { return NewCentrifugoRedis(c) }, // snapshots, as Redis makes them by itself
}

// New returns the driver of a name.
func New(name string, c Config) (Driver, error) {
	make, ok := Drivers[name]
	if !ok {
		return nil, fmt.Errorf("no hubs are called %q; there are %s", name, strings.Join(slices.Sorted(maps.Keys(Drivers)), ", "))
	}
	return make(c)
}
