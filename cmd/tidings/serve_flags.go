package main

import (
	"errors"
	"fmt"
	"log/slog"
)

// serveFlags is all that can be said about a hub. Each subject is a struct of its own, beside what is made of it.
type serveFlags struct {
	configFlags `embed:"" group:"Configuration"`
	listenFlags `embed:"" group:"Where it listens"`
	storeFlags  `embed:"" group:"What it keeps"`
	authFlags   `embed:"" group:"Who may do what"`
	limitFlags  `embed:"" group:"Limits"`
	reportFlags `embed:"" group:"What it logs"`
	drainFlags  `embed:"" group:"How it stops"`

	origins map[string]string // by flag: where its value comes from, if it is no default
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
	if err := errors.Join(f.checkListen(), f.checkStore(), f.checkKept(), f.checkAuth(env), f.checkLimits(), f.checkDrain()); err != nil {
		return err
	}
	switch { // a default does nothing, and stands in every file that tidings config prints
	case f.Memory && f.MinFree != 0 && f.MinFree != defaultMinFree:
		return errors.New("--min-free is for events on disk, and --memory keeps none there; tidings config shows where each is said")
	case f.Memory && f.Sync == "interval":
		return errors.New("--sync is for events on disk, and --memory keeps none there; tidings config shows where each is said")
	}
	if f.AdminAddr != "" && !local(f.AdminAddr) && !f.Insecure {
		return fmt.Errorf("--admin-addr %s lets other machines in, and asks nobody for a token"+
			"\nhint: --admin-addr localhost:9090; or say --insecure, if you mean it", f.AdminAddr)
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
