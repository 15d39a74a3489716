package acme

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"time"

	"github.com/caddyserver/certmagic"
)

// Status is the state of the certificate of a domain.
type Status struct {
	Domain string

	// NotBefore and NotAfter are the validity of the certificate in use. They are zero if there is none.
	NotBefore, NotAfter time.Time

	// Err is why the CA did not issue a certificate when it was asked last; nil if it did, or was not asked yet.
	Err error
}

// failure is the last attempt to get a certificate, if it failed.
type failure struct {
	err     error
	expires time.Time // of the certificate in use at that time
}

// Status returns the state of the certificates, in the order of the domains.
func (m *Manager) Status() []Status {
	all := make([]Status, len(m.opts.Domains))
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, domain := range m.opts.Domains {
		all[i] = m.inUse(domain)
		if f, failed := m.failures[domain]; failed && f.expires.Equal(all[i].NotAfter) { // otherwise another server has renewed it meanwhile
			all[i].Err = f.err
		}
	}
	return all
}

// inUse returns the validity of the certificate in use.
func (m *Manager) inUse(domain string) Status {
	s := Status{Domain: domain}
	for _, c := range m.cache.AllMatchingCertificates(domain) {
		if leaf := c.Leaf; leaf != nil && leaf.NotAfter.After(s.NotAfter) {
			s.NotBefore, s.NotAfter = leaf.NotBefore, leaf.NotAfter
		}
	}
	return s
}

// retryObtain is how long to wait before a CA is asked again that has refused a first certificate for good.
const retryObtain = time.Hour

// event reports what certmagic does. https://pkg.go.dev/github.com/caddyserver/certmagic#readme-events lists the events and their data.
func (m *Manager) event(ctx context.Context, name string, data map[string]any) error {
	domain, _ := data["identifier"].(string)
	renewal, _ := data["renewal"].(bool)
	switch name {
	case "cert_failed":
		err, _ := data["error"].(error)
		m.failed(domain, renewal, err)
	case "cert_obtained":
		path, _ := data["certificate_path"].(string)
		m.obtained(ctx, domain, renewal, path)
	}
	return nil
}

func (m *Manager) failed(domain string, renewal bool, err error) {
	if m.ctx.Err() != nil {
		return // Close has interrupted it
	}
	if err == nil {
		err = errors.New("the CA issued no certificate")
	}
	m.mu.Lock()
	expires := m.inUse(domain).NotAfter
	m.failures[domain] = failure{err, expires}
	m.mu.Unlock()
	m.setAccountsAside()
	if renewal {
		m.logger.Error("the certificate is not renewed; the hub keeps the old one, and tries again", "domain", domain, "ca", m.opts.Directory, "expires", expires, "err", err.Error())
		return
	}
	m.logger.Error("the CA issues no certificate; the hub tries again", "domain", domain, "ca", m.opts.Directory, "err", err.Error())
	if final, ok := errors.AsType[certmagic.ErrNoRetry](err); ok && final.Err != nil {
		time.AfterFunc(retryObtain, func() { m.ask(domain) })
	}
}

func (m *Manager) obtained(ctx context.Context, domain string, renewal bool, path string) {
	m.mu.Lock()
	delete(m.failures, domain)
	m.mu.Unlock()
	m.logger.Info("the CA has issued a certificate", "domain", domain, "renewal", renewal, "expires", m.expiry(ctx, path))
}

// expiry returns when a stored certificate expires, zero if it cannot be read.
func (m *Manager) expiry(ctx context.Context, path string) time.Time {
	text, err := m.magic.Storage.Load(ctx, path)
	if err != nil {
		return time.Time{}
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return time.Time{}
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return time.Time{}
	}
	return leaf.NotAfter
}
