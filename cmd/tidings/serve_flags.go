package main

import (
	"errors"
	"fmt"
	"log/slog"
)

// serveFlags are all settings of a hub. The settings of each subject are a struct in the file that uses them.
type serveFlags struct {
	configFlags  `embed:"" group:"Configuration"`
	listenFlags  `embed:"" group:"Where it listens"`
	acmeFlags    `embed:"" group:"Where it gets its certificate"`
	storeFlags   `embed:"" group:"What it keeps"`
	clusterFlags `embed:"" group:"Which hubs share the log"`
	authFlags    `embed:"" group:"Who may do what"`
	limitFlags   `embed:"" group:"Limits"`
	pageFlags    `embed:"" group:"What it serves to browsers"`
	reportFlags  `embed:"" group:"What it logs"`
	drainFlags   `embed:"" group:"How it stops"`

	origins map[string]string // by flag: where its value comes from; none for defaults
}

// warnInsecure warns of each address where --insecure lets other machines do everything.
func (f *serveFlags) warnInsecure(logger *slog.Logger, keyed bool) {
	if f.Insecure && !keyed {
		logger.Warn("--insecure: this hub has no key, so every client that reaches it may publish, subscribe and administer", "addr", f.Addr)
	}
	if f.Insecure && f.AdminAddr != "" && !local(f.AdminAddr) {
		logger.Warn("--insecure: every client that reaches the address for administrators may inspect the hub, close streams and revoke tokens", "admin-addr", f.AdminAddr)
	}
}

// check refuses settings that contradict each other or are not safe.
func (f *serveFlags) check(env environ) error {
	keyed := f.keyed(env)
	if err := errors.Join(f.checkListen(), f.checkACME(), f.checkStore(), f.checkKept(), f.checkCluster(), f.checkAuth(env), f.checkLimits(), f.checkDrain()); err != nil {
		return err
	}
	if err := f.checkApart(); err != nil {
		return err
	}
	switch { // default values are allowed, because tidings config prints them
	case f.Memory && f.MinFree != 0 && f.MinFree != defaultMinFree:
		return errors.New("--min-free is for events on disk, and --memory stores none there; tidings config shows where each setting comes from")
	case f.Memory && f.Sync == "interval":
		return errors.New("--sync is for events on disk, and --memory stores none there; tidings config shows where each setting comes from")
	}
	if f.AdminAddr != "" && !local(f.AdminAddr) && !f.Insecure {
		return fmt.Errorf("other machines can reach --admin-addr %s, which requires no token"+
			"\nhint: --admin-addr localhost:9090; or add --insecure to allow that", f.AdminAddr)
	}
	if !local(f.Addr) && !keyed && !f.Insecure {
		if err := resolvable(f.Addr); err != nil {
			return err
		}
		return fmt.Errorf("other machines can reach --addr %s, and without a key every client may do everything"+
			"\nhint: tidings token key makes a key for --key-file; or add --insecure to allow that", f.Addr)
	}
	return nil
}
