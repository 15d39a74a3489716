package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/mail"
	"net/url"
	"os"
	"path/filepath"
	"slices"

	"github.com/tidings-sse/tidings/hub"
	"github.com/tidings-sse/tidings/internal/acme"
)

// acmeFlags make a hub get its certificate by itself.
type acmeFlags struct {
	ACMEDomain    []string `name:"acme-domain" sep:"none" placeholder:"NAME" help:"Get a certificate for this domain from a certificate authority (CA), and renew it: ACME. With it you accept the CA's terms of service. The domain must lead to this hub, on port 443 or on port 80. Can be repeated."`
	ACMEEmail     string   `name:"acme-email" placeholder:"ADDRESS" help:"Where the CA may write to about the certificates."`
	ACMEDirectory string   `name:"acme-directory" default:"https://acme-v02.api.letsencrypt.org/directory" placeholder:"URL" help:"The CA, by its ACME directory; Let's Encrypt by default."`
	ACMECA        string   `name:"acme-ca" type:"path" placeholder:"FILE" help:"Certificates (PEM) that sign the one of the CA's own server, for a CA of your own; by default those of the system."`
	ACMEDir       string   `name:"acme-dir" type:"path" placeholder:"DIR" help:"Where the account, the keys and the certificates are stored, readable for the hub's user only; acme in the data directory by default. Hubs of a cluster that have a domain in common share it."`
	HTTPAddr      string   `name:"http-addr" default:"auto" placeholder:"HOST:PORT" help:"Address without TLS for --acme-domain. It answers the CA, and redirects to https on port 443. auto, the default, is port 80 if --addr has port 443 and the hub may listen there; off is none."`
}

const (
	httpAuto = "auto"
	httpOff  = "off"
)

// checkACME refuses settings by which no certificate can be had, and puts the domains into the form that certificates have.
func (f *serveFlags) checkACME() error {
	if len(f.ACMEDomain) == 0 {
		return f.checkNoACME()
	}
	var domains []string
	for _, text := range f.ACMEDomain {
		domain, err := acme.Domain(text)
		if err != nil {
			return fmt.Errorf("--acme-domain: %w", err)
		}
		if f.ACMEDirectory == acme.LetsEncrypt && !acme.Public(domain) {
			return fmt.Errorf("--acme-domain: Let's Encrypt issues no certificate for %q, which is not a public name"+
				"\nhint: --acme-directory names a CA of your own; or give a certificate by --tls-cert", domain)
		}
		if !slices.Contains(domains, domain) {
			domains = append(domains, domain)
		}
	}
	f.ACMEDomain = domains
	switch _, port, _ := net.SplitHostPort(f.Addr); {
	case f.TLSCert != "":
		return errors.New("--acme-domain and --tls-cert exclude each other: the certificate comes from a CA, or from a file; tidings config shows where each setting comes from")
	case f.H2C:
		return errors.New("--h2c is HTTP/2 without TLS; with --acme-domain, HTTP/2 is always on")
	case isUnix(f.Addr):
		return fmt.Errorf("--acme-domain: the CA cannot connect to --addr %s\nhint: --addr 0.0.0.0:443", f.Addr)
	case f.origins["addr"] == "":
		return errors.New("--acme-domain: the CA cannot connect to localhost:3000, where the hub listens by default\nhint: --addr 0.0.0.0:443")
	case port == "80":
		return errors.New("--acme-domain: port 80 is for connections without TLS\nhint: --addr 0.0.0.0:443")
	case f.Memory && f.ACMEDir == "":
		return errors.New("--acme-domain stores certificates, and with --memory there is no data directory\nhint: --acme-dir tidings-acme")
	}
	return errors.Join(f.checkCA(), f.checkHTTPAddr())
}

// checkNoACME refuses settings that have no effect without --acme-domain.
func (f *acmeFlags) checkNoACME() error {
	for name, given := range map[string]bool{
		"acme-email": f.ACMEEmail != "", "acme-ca": f.ACMECA != "", "acme-dir": f.ACMEDir != "",
		"acme-directory": f.ACMEDirectory != acme.LetsEncrypt, "http-addr": f.HTTPAddr != httpAuto,
	} {
		if given {
			return fmt.Errorf("--%s is for --acme-domain, which is missing", name)
		}
	}
	return nil
}

// checkCA checks the settings about the CA.
func (f *acmeFlags) checkCA() error {
	if f.ACMEEmail != "" {
		if a, err := mail.ParseAddress(f.ACMEEmail); err != nil || a.Address != f.ACMEEmail {
			return fmt.Errorf("--acme-email: %q is not an address such as admin@example.com", f.ACMEEmail)
		}
	}
	switch u, err := url.Parse(f.ACMEDirectory); {
	case err != nil || u.Host == "":
		return fmt.Errorf("--acme-directory: %q is not a URL such as %s", f.ACMEDirectory, acme.LetsEncrypt)
	case u.User != nil:
		return errors.New("--acme-directory: the URL contains a password, and the hub has none to give; leave it out")
	case u.Scheme != "https":
		return fmt.Errorf("--acme-directory: %s is not safe; ACME needs https", f.ACMEDirectory)
	}
	return nil
}

func (f *serveFlags) checkHTTPAddr() error {
	if f.HTTPAddr == httpAuto || f.HTTPAddr == httpOff {
		return nil
	}
	if isUnix(f.HTTPAddr) {
		return fmt.Errorf("--http-addr: the CA cannot connect to %s\nhint: --http-addr 0.0.0.0:80, or off", f.HTTPAddr)
	}
	return ofHTTP(checkAddr(f.HTTPAddr))
}

// manager returns what gets the certificates, nil without --acme-domain.
func (f *serveFlags) manager(logger *slog.Logger) (*acme.Manager, error) {
	if len(f.ACMEDomain) == 0 {
		return nil, nil
	}
	o := acme.Options{Domains: f.ACMEDomain, Folder: f.ACMEDir, Directory: f.ACMEDirectory, Email: f.ACMEEmail, Logger: logger}
	if o.Folder == "" {
		o.Folder = filepath.Join(f.dataDir(), "acme")
	}
	if f.ACMECA != "" {
		text, err := os.ReadFile(f.ACMECA)
		if err != nil {
			return nil, fmt.Errorf("--acme-ca: %w", err)
		}
		if o.Roots = x509.NewCertPool(); !o.Roots.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("--acme-ca %s has no certificate in PEM", f.ACMECA)
		}
	}
	m, err := acme.New(o)
	if err != nil {
		return nil, fmt.Errorf("--acme-dir %s: %w", o.Folder, err)
	}
	return m, nil
}

// listenHTTP listens at --http-addr. The place has no listeners if there is no need for it, or if auto finds no port.
func (f *serveFlags) listenHTTP(g given, logger *slog.Logger) (*place, error) {
	host, port, _ := splitAddr(f.Addr) // checkListen has checked it
	switch {
	case len(f.ACMEDomain) == 0, f.HTTPAddr == httpOff, f.HTTPAddr == httpAuto && port != "443":
		return &place{role: rolePlain}, nil
	case f.HTTPAddr == httpAuto:
		p, err := f.listen(rolePlain, net.JoinHostPort(host, "80"), nil, g)
		if err != nil {
			logger.Warn("the hub does not redirect from http to https, and the CA can check the domains over TLS only", "err", ofHTTP(err).Error())
			return &place{role: rolePlain}, nil
		}
		return p, nil
	}
	p, err := f.listen(rolePlain, f.HTTPAddr, nil, g)
	return p, ofHTTP(err)
}

// ofHTTP turns an error about --addr into the same error about --http-addr.
func ofHTTP(err error) error { return renameAddr(err, "--http-addr") }

// startACME starts the manager of the certificates, and listens for the CA and for redirects. Without a manager the place has no listeners.
func (c *serveCmd) startACME(m *acme.Manager, secure *place, g given, logger *slog.Logger) (*place, error) {
	plain, err := c.listenHTTP(g, logger)
	if err != nil || m == nil {
		return plain, err
	}
	var at net.Addr
	if len(plain.listeners) > 0 {
		at = plain.listeners[0].Addr()
	}
	if err := m.Start(secure.listeners[0].Addr(), at); err != nil {
		plain.close()
		return nil, err
	}
	logger.Info("certificates come from a CA, whose terms of service you accept by that", "domains", c.ACMEDomain, "ca", c.ACMEDirectory,
		"addr", secure.url, "http-addr", plain.url)
	return plain, nil
}

// acmeReport returns the state of the certificates for the hub.
func acmeReport(m *acme.Manager) []hub.Certificate {
	var all []hub.Certificate
	for _, s := range m.Status() {
		all = append(all, hub.Certificate{Name: s.Domain, NotBefore: s.NotBefore, NotAfter: s.NotAfter, Failing: s.Err != nil})
	}
	return all
}
