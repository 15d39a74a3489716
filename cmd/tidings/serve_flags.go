package main

import (
	"errors"
	"fmt"
	"time"
)

// serveFlags is all that can be said about a hub. Each subject is a struct of its own, beside what is made of it.
type serveFlags struct {
	configFlags `embed:"" group:"Configuration"`
	listenFlags `embed:"" group:"Where it listens"`
	storeFlags  `embed:"" group:"What it keeps"`
	authFlags   `embed:"" group:"Who may do what"`
	limitFlags  `embed:"" group:"Limits"`
	reportFlags `embed:"" group:"What it logs"`

	origins map[string]string // by flag: where its value comes from, if it is no default
}

// check refuses what makes no sense together, or is not safe.
func (f *serveFlags) check(env environ) error {
	keyed := f.keyed(env)
	if err := errors.Join(f.checkListen(), f.checkStore(), f.checkAuth(keyed)); err != nil {
		return err
	}
	if !local(f.Addr) && !keyed && !f.Insecure {
		if err := resolvable(f.Addr); err != nil {
			return err
		}
		return fmt.Errorf("--addr %s lets other machines in, and without a key everybody may do everything"+
			"\nhint: tidings token key makes one for --key-file; or say --insecure, if you mean it", f.Addr)
	}
	return nil
}

// limitFlags say how much somebody may ask for.
type limitFlags struct {
	MaxEvent      byteSize      `default:"1MiB" placeholder:"SIZE" help:"The largest event that is taken; ${default} if not said, at most 16MiB."`
	MaxTopics     uint16        `default:"1000" placeholder:"N" help:"How many topics and patterns one subscription may have; ${default} if not said."`
	HeaderTimeout time.Duration `default:"10s" placeholder:"TIME" help:"How long the header of a request may take to come; ${default} if not said."`
}
