package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// certificate is a certificate and its key, in files that are replaced before it expires.
type certificate struct {
	files  [2]string // certificate, key
	logger *slog.Logger
	pair   atomic.Pointer[tls.Certificate]
	seen   [2]fs.FileInfo // of the files at the last check; owned by watch

	cancel   context.CancelFunc
	watching sync.WaitGroup
}

// loadCertificate loads it.
func loadCertificate(certFile, keyFile string, logger *slog.Logger) (*certificate, error) {
	c := &certificate{files: [2]string{certFile, keyFile}, logger: logger}
	c.changed()
	return c, c.load()
}

// config returns the configuration of a server that uses it.
func (c *certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.pair.Load(), nil },
	}
}

// load reads the files. If they make no pair, that which was used stays.
func (c *certificate) load() error {
	pair, err := tls.LoadX509KeyPair(c.files[0], c.files[1])
	if err != nil {
		return fmt.Errorf("the certificate %s and the key %s cannot be used: %w", c.files[0], c.files[1], err)
	}
	c.pair.Store(&pair)
	return nil
}

// start watches the files until close. With hangups they are loaded at once on SIGHUP, by which operators ask for it. A hub on a terminal
// leaves the signal alone: it says that the terminal was closed, and ends the hub.
func (c *certificate) start(hangups bool) {
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	hangup := make(chan os.Signal, 1)
	if hangups {
		signal.Notify(hangup, syscall.SIGHUP)
	}
	c.watching.Go(func() {
		defer signal.Stop(hangup)
		c.watch(ctx, hangup)
	})
}

func (c *certificate) close() {
	if c != nil {
		c.cancel()
		c.watching.Wait()
	}
}

// certificatePoll is how often the files are looked at. Certificates are renewed days before they expire.
const certificatePoll = 10 * time.Second

// watch loads the files again when they have changed, or on request, until ctx is done.
func (c *certificate) watch(ctx context.Context, now <-chan os.Signal) {
	tick := time.NewTicker(certificatePoll)
	defer tick.Stop()
	failed := false // to use the files as they are, which was logged
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if c.changed() {
				failed = false
			} else if !failed {
				continue
			}
		case <-now:
			c.changed()
			failed = false
		}
		if err := c.load(); err != nil {
			// The files are replaced one after the other: the next look may find a pair, also if it finds nothing new.
			if !failed {
				c.logger.Error("the certificate is not replaced", "err", err.Error())
			}
			failed = true
			continue
		}
		failed = false
		leaf := c.pair.Load().Leaf
		c.logger.Info("the certificate is replaced", "names", leaf.DNSNames, "expires", leaf.NotAfter)
	}
}

// changed reports whether the files are others than when it was last called. One that is not there at the moment has not changed.
func (c *certificate) changed() bool {
	changed := false
	for i, name := range c.files {
		info, err := os.Stat(name)
		if err != nil {
			continue
		}
		was := c.seen[i]
		changed = changed || was == nil || !os.SameFile(was, info) || !was.ModTime().Equal(info.ModTime()) || was.Size() != info.Size()
		c.seen[i] = info
	}
	return changed
}
