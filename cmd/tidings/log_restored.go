package main

import (
	"errors"
	"fmt"

	"github.com/tidings-sse/tidings/eventlog/disklog"
)

type logRestoredCmd struct{ logDir }

// Help is the manual.
func (c *logRestoredCmd) Help() string {
	return `
A log that continues after an older copy would give new events the positions of events that are no longer there.

DIR may be the data directory of a hub of a cluster. If all hubs of a cluster were restored, or two of three, run the command for the directory of each hub
that keeps its events, and empty those of the others: docs/deploy.md (Backup and restore). A cluster of which only one hub was restored needs no command.

Examples:

    tidings log restored tidings-data`
}

// Run starts a new generation.
func (c *logRestoredCmd) Run(io stdio) error {
	if log := c.below(); log != "" {
		return c.leaveMajority(io, log)
	}
	gen, err := disklog.Restored(c.Dir)
	if errors.Is(err, disklog.ErrIsMirror) {
		return fmt.Errorf("%s has the log of a hub of a cluster, which begins a generation only with its cluster\nhint: %s", c.Dir, c.restoreHub())
	}
	if err != nil {
		return whichDir(whenInUse(err))
	}
	_, err = fmt.Fprintf(io.out, "%s begins generation %s; subscribers that resume from older positions will get a gap\n", c.Dir, gen)
	return err
}

// leaveMajority removes a hub's part of the shared log, and keeps its events. Hubs that have only events make a new shared log, which begins a generation
// after the newest event.
func (c *logRestoredCmd) leaveMajority(io stdio, dir string) error {
	log, err := disklog.Open(dir, &disklog.Options{Mirror: true, Reserve: -1}) // no hub may use the directory meanwhile
	if err != nil {
		return whenInUse(err)
	}
	removed, err := leaveCluster(c.Dir)
	if err = errors.Join(err, log.Close()); err != nil {
		return err
	}
	if !removed {
		_, err = fmt.Fprintf(io.out, "%s has no part of a shared log, and needs no change: with --nats or --redis the hub continues with the shared log there\n", c.Dir)
		return err
	}
	_, err = fmt.Fprintf(io.out, "%s keeps its events up to %s, and its hub joins as a new one; the new shared log begins a generation, and subscribers that resume will get a gap\n"+
		"next: do the same for the other restored hubs, or empty their directories; then start all hubs\n", c.Dir, log.Head())
	return err
}
