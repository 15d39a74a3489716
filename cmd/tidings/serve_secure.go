package main

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"net/url"
	"strings"

	"github.com/tidings-sse/tidings/hub"
	"github.com/tidings-sse/tidings/internal/acme"
)

// security is where a hub has its certificate from: files, a CA, or nowhere, if both are nil.
type security struct {
	files *certificate
	acme  *acme.Manager
}

// secure loads the certificate of --tls-cert, or prepares for --acme-domain. The caller closes it.
func (f *serveFlags) secure(logger *slog.Logger, hangups bool) (s security, err error) {
	if s.files, err = f.certificate(logger, hangups); err == nil {
		s.acme, err = f.manager(logger)
	}
	return s, err
}

// config returns the configuration for TLS, nil without TLS.
func (s security) config() *tls.Config {
	var c *tls.Config
	switch {
	case s.files != nil:
		c = s.files.config()
	case s.acme != nil:
		c = s.acme.TLSConfig()
	default:
		return nil
	}
	// Small records let browsers show the first bytes of a page sooner. Events are small anyway, and many of them share a record.
	c.DynamicRecordSizingDisabled = true
	return c
}

// report returns the function by which the hub learns the state of the certificates, nil without TLS.
func (s security) report() func() []hub.Certificate {
	switch {
	case s.files != nil:
		return s.files.report
	case s.acme != nil:
		return func() []hub.Certificate { return acmeReport(s.acme) }
	}
	return nil
}

// name tells a place by which names people and curl reach it. A hub for this machine only answers requests for localhost, and no others.
func (s security) name(p *place, thisMachine bool) {
	switch {
	case s.acme != nil:
		p.public = "https://" + s.acme.Domains()[0] // clients come to port 443, wherever the hub listens
	case s.files != nil && p.socket == "":
		p.curls = s.files.curls(p.url, thisMachine)
	}
}

// curls returns how curl reaches a URL. If the certificate is not for its host, curl has to connect to that host, and to ask for a name of the
// certificate, which thisMachine does not allow. If this system does not trust the certificate, curl gets a copy, which is enough to trust it.
func (c *certificate) curls(at string, thisMachine bool) (how curls) {
	u, err := url.Parse(at)
	if err != nil {
		return how
	}
	pair := c.pair.Load()
	switch name := strings.Replace(c.name(), "*", "hub", 1); {
	case pair.Leaf.VerifyHostname(u.Hostname()) == nil:
	case thisMachine:
		return curls{flags: "-k"}
	case pair.Leaf.VerifyHostname(name) == nil:
		how.flags = "--connect-to ::" + net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "443"))
		how.url = "https://" + strings.TrimSuffix(net.JoinHostPort(name, ""), ":") // with brackets around an IPv6 address
	}
	others := x509.NewCertPool()
	for _, der := range pair.Certificate[1:] {
		if ca, err := x509.ParseCertificate(der); err == nil {
			others.AddCert(ca)
		}
	}
	if _, err := pair.Leaf.Verify(x509.VerifyOptions{Intermediates: others}); err != nil {
		how.flags = strings.TrimSpace(how.flags + " --cacert " + shellWord(c.files[0]))
	}
	return how
}

// shellWord quotes a file name for a shell if it needs that.
func shellWord(name string) string {
	if strings.Trim(name, "/._-+:~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == "" {
		return name
	}
	return "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
}

func (s security) close() {
	s.files.close()
	if s.acme != nil {
		s.acme.Close()
	}
}
