// Package acme gets the certificates of a server from a certificate authority (CA) by ACME, RFC 8555, and renews them.
//
// The CA issues a certificate for a domain after a challenge: it connects to the domain, and the server has to give the right answer. A [Manager]
// answers over TLS (TLS-ALPN-01, RFC 8737), and over HTTP on port 80 if it may (HTTP-01, RFC 8555, section 8.3).
//
// Account, keys and certificates are files in a folder. Servers that share the folder share the certificates: one of them asks the CA, and
// each of them answers its challenges, so that the domain may lead to any of them.
//
// A CA that refuses or does not answer is asked again after a minute, and then less and less often, at last every six hours. Meanwhile the
// certificate in use stays in use, even when it has expired. [Manager.Status] says how things are.
//
// Package certmagic does the work. This package chooses its settings, and reports what it does (docs/decisions/0084).
package acme

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
)

func init() { certmagic.UserAgent = "Tidings" } // RFC 8555, section 6.1, asks for it

// LetsEncrypt is the directory of Let's Encrypt, the default CA.
const LetsEncrypt = certmagic.LetsEncryptProductionCA

// Options are the settings of a [Manager].
type Options struct {
	Domains   []string       // at least one, in the form that [Domain] returns; clients that name no domain get the first one's certificate
	Folder    string         // of the account, keys and certificates; made if it does not exist, for its owner only
	Directory string         // the URL of the CA's directory; "" means LetsEncrypt
	Email     string         // the CA may write to it about the certificates; may be ""
	Roots     *x509.CertPool // what the certificate of the CA's own server is checked with; nil: the roots of the system
	Check     time.Duration  // how often to look for certificates to renew; 0: every ten minutes
	Logger    *slog.Logger   // nil: slog.Default
}

// Manager has the certificates of some domains. Its methods are safe for concurrent use.
type Manager struct {
	opts   Options
	logger *slog.Logger
	cache  *certmagic.Cache
	magic  *certmagic.Config
	issuer *certmagic.ACMEIssuer // set by Start
	ask    func(domain string)   // gets the certificate in the background; failures are events

	ctx    context.Context // ends with Close
	cancel context.CancelFunc

	close sync.Once

	mu       sync.Mutex
	failures map[string]failure // by domain; none after a success
}

// ErrFolder is the error of a folder that cannot be used.
var ErrFolder = errors.New("the folder of the certificates cannot be used")

// New returns a manager, which has no certificates before Start. The caller closes it. The error is an ErrFolder.
func New(o Options) (*Manager, error) {
	if o.Directory == "" {
		o.Directory = LetsEncrypt
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if err := prepare(o.Folder, o.Logger); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFolder, err)
	}
	m := &Manager{opts: o, logger: o.Logger, failures: make(map[string]failure)}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	quiet := debugLogger(o.Logger)
	m.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert:   func(certmagic.Certificate) (*certmagic.Config, error) { return m.magic, nil },
		RenewCheckInterval: o.Check,
		Logger:             quiet,
	})
	m.magic = certmagic.New(m.cache, certmagic.Config{
		Issuers:           []certmagic.Issuer{}, // Start knows more
		Storage:           &certmagic.FileStorage{Path: o.Folder},
		DefaultServerName: o.Domains[0],
		OnEvent:           m.event,
		Logger:            quiet,
	})
	m.ask = func(domain string) { _ = m.magic.ManageAsync(m.ctx, []string{domain}) } // fails only for certificates on demand
	return m, nil
}

// noEmail keeps certmagic from looking for an address in its folder, and is trimmed to none. certmagic takes the name of the folder of an account
// without an address for one, if the account is not stored completely: another domain is registering it, or the process ended then. The CA refuses
// that address, "default", and certmagic keeps it until the process ends.
const noEmail = " "

// Start loads the certificates from the folder, and asks the CA for those that are missing or expire soon, in the background. Call it once, when
// the server listens at secure with [Manager.TLSConfig], and, unless plain is nil, at plain with [Manager.HTTPHandler]. The CA connects to ports
// 443 and 80 of the domain, which have to lead there.
func (m *Manager) Start(secure, plain net.Addr) error {
	host, port, err := split(secure)
	if err != nil {
		return err
	}
	template := certmagic.ACMEIssuer{
		CA: m.opts.Directory, Email: cmp.Or(m.opts.Email, noEmail), TrustedRoots: m.opts.Roots, Agreed: true, Logger: m.magic.Logger,
		// certmagic listens itself if nothing accepts connections at these addresses.
		ListenHost: host, AltTLSALPNPort: port, DisableHTTPChallenge: plain == nil,
	}
	if plain != nil {
		if _, template.AltHTTPPort, err = split(plain); err != nil {
			return err
		}
	}
	m.issuer = certmagic.NewACMEIssuer(m.magic, template)
	m.magic.Issuers = []certmagic.Issuer{m.issuer}
	for _, domain := range m.opts.Domains {
		if err := m.setAside(domain); err != nil {
			return err
		}
	}
	m.setAccountsAside()
	for _, domain := range m.opts.Domains {
		m.ask(domain)
	}
	return nil
}

// split returns host and port of the address of a listener. An unspecified host is "".
func split(a net.Addr) (host string, port int, err error) {
	host, digits, err := net.SplitHostPort(a.String())
	if err != nil {
		return "", 0, err
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = ""
	}
	port, err = strconv.Atoi(digits)
	return host, port, err
}

// Close stops asking the CA. Handshakes still get the certificates.
func (m *Manager) Close() {
	m.cancel()
	m.close.Do(m.cache.Stop)
	certmagic.CleanUpOwnLocks(context.Background(), m.magic.Logger) // other servers need not wait until they are stale
}

// Domains returns the domains. The caller must not change them.
func (m *Manager) Domains() []string { return m.opts.Domains }

// TLSConfig returns the configuration of a server with the certificates, for TLS 1.2 and later, and HTTP/1.1 and 2. A handshake for another domain
// is refused with the alert unrecognized_name. The caller may change the result before it is used.
func (m *Manager) TLSConfig() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"h2", "http/1.1", alpn},
		GetCertificate: m.certificate,
	}
}

// alpn is the protocol of connections by which a CA checks the domain (RFC 8737, section 6.2). net/http closes them after the handshake.
const alpn = "acme-tls/1"

func (m *Manager) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if hello.ServerName != "" && !m.serves(hello.ServerName) {
		return nil, nil // crypto/tls then sends unrecognized_name
	}
	return m.magic.GetCertificate(hello)
}

// serves reports whether a host is one of the domains.
func (m *Manager) serves(host string) bool {
	domain, err := Domain(host)
	return err == nil && slices.Contains(m.opts.Domains, domain)
}
