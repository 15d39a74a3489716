package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tidings-sse/tidings/hub"
)

// certificate is a certificate and its key in files, which are replaced before the certificate expires.
type certificate struct {
	files  [2]string // certificate, key
	logger *slog.Logger
	pair   atomic.Pointer[tls.Certificate]
	seen   [2]fs.FileInfo // the files at the last check; owned by watch

	failing atomic.Bool // the files have changed, and cannot be used
	warned  bool        // the certificate in use is not valid, and that was logged; owned by watch

	cancel   context.CancelFunc
	watching sync.WaitGroup
}

// loadCertificate loads a certificate and its key. A certificate that is not valid now is logged and used, because there is no better one.
func loadCertificate(certFile, keyFile string, logger *slog.Logger) (*certificate, error) {
	c := &certificate{files: [2]string{certFile, keyFile}, logger: logger}
	c.changed()
	pair, err := c.read()
	if err != nil {
		return nil, err
	}
	c.pair.Store(pair)
	c.warn()
	return c, nil
}

// config returns a server configuration that uses the current certificate; nil without one.
func (c *certificate) config() *tls.Config {
	if c == nil {
		return nil
	}
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.pair.Load(), nil },
	}
}

// load replaces the certificate by that of the files, unless they do not match, or their certificate is not valid now.
func (c *certificate) load() error {
	pair, err := c.read()
	if err != nil {
		return err
	}
	if why := invalid(pair.Leaf, time.Now()); why != "" {
		return fmt.Errorf("the certificate %s cannot be used: it %s; put a valid one there, or correct the clock", c.files[0], why)
	}
	c.pair.Store(pair)
	return nil
}

// read reads the files.
func (c *certificate) read() (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(c.files[0], c.files[1])
	if err != nil {
		return nil, fmt.Errorf("the certificate %s and the key %s cannot be used: %w", c.files[0], c.files[1], err)
	}
	return &pair, nil
}

// invalid says why a certificate is not valid at a time, "" if it is.
func invalid(leaf *x509.Certificate, now time.Time) string {
	switch {
	case !now.Before(leaf.NotAfter):
		return "has expired at " + leaf.NotAfter.UTC().Format(time.RFC3339)
	case now.Before(leaf.NotBefore):
		return "is not valid before " + leaf.NotBefore.UTC().Format(time.RFC3339)
	}
	return ""
}

// warn logs once that the certificate in use is not valid.
func (c *certificate) warn() {
	why := invalid(c.pair.Load().Leaf, time.Now())
	if why != "" && !c.warned {
		c.logger.Warn("the certificate "+why+", and clients refuse it; replace its files by valid ones, or correct the clock", "file", c.files[0], "name", c.name())
	}
	c.warned = why != ""
}

// report returns the state of the certificate for the hub.
func (c *certificate) report() []hub.Certificate {
	leaf := c.pair.Load().Leaf
	return []hub.Certificate{{Name: c.name(), NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter, Failing: c.failing.Load()}}
}

// name returns the first name of the certificate, or the name of its file if it has none.
func (c *certificate) name() string {
	leaf := c.pair.Load().Leaf
	switch {
	case len(leaf.DNSNames) > 0:
		return leaf.DNSNames[0]
	case len(leaf.IPAddresses) > 0:
		return leaf.IPAddresses[0].String()
	}
	return filepath.Base(c.files[0])
}

// start watches the files until close. With hangups, SIGHUP loads them at once. A hub on a terminal keeps the default action of the signal, which
// ends the hub when the terminal closes.
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

// certificatePoll is the interval at which the files are checked. Certificates are usually renewed days before they expire.
const certificatePoll = 10 * time.Second

// watch loads the files again when they have changed, or when now receives a signal, until ctx is done.
func (c *certificate) watch(ctx context.Context, now <-chan os.Signal) {
	tick := time.NewTicker(certificatePoll)
	defer tick.Stop()
	failed := false // the last load failed, and the failure was logged
	for {
		c.warn()
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
			// The two files are replaced one after the other, so the next attempt may succeed even if no file changes again.
			if !failed {
				c.logger.Error("the certificate is not replaced", "file", c.files[0], "err", err.Error())
			}
			failed = true
			c.failing.Store(true)
			continue
		}
		failed = false
		c.failing.Store(false)
		leaf := c.pair.Load().Leaf
		c.logger.Info("the certificate is replaced", "file", c.files[0], "names", leaf.DNSNames, "expires", leaf.NotAfter)
	}
}

// changed reports whether a file has changed since the last call. A file that does not exist at the moment counts as unchanged.
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
