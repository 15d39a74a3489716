package main

import (
	"log/slog"
	"os"
	"os/signal"
	"strings"
)

// logHangups logs at each SIGHUP what the hub loads again and what needs a restart. Operators send the signal to make servers read their files
// again. The certificates load themselves: see [certificate.start]. stop restores the default action of the signal.
func (c *serveCmd) logHangups(hangup chan os.Signal, logger *slog.Logger) (stop func()) {
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for range hangup {
			logger.Info(c.onHangup())
		}
	}()
	return func() {
		signal.Stop(hangup)
		close(hangup)
		<-stopped
	}
}

// onHangup says what SIGHUP does.
func (c *serveCmd) onHangup() string {
	var loaded []string
	if c.TLSCert != "" {
		loaded = append(loaded, "--tls-cert and --tls-key")
	}
	if c.ClusterTLSCert != "" {
		loaded = append(loaded, "--cluster-tls-cert and --cluster-tls-key")
	}
	if len(loaded) == 0 && len(c.ACMEDomain) > 0 {
		return "SIGHUP: certificates of a CA are renewed without it; restart the hub to apply other settings and files"
	}
	if len(loaded) == 0 {
		return "SIGHUP: there is no certificate to load again; restart the hub to apply other settings and files"
	}
	return "SIGHUP: the hub loads " + strings.Join(loaded, ", ") + " again; restart it to apply other settings and files"
}
