package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
)

// peerTLSFlags replace the certificates that hubs make from their common secret.
type peerTLSFlags struct {
	ClusterTLSCert string `name:"cluster-tls-cert" type:"path" placeholder:"FILE" help:"Certificate of this hub for the other hubs of --cluster-peers, with its peer address as name, for clients and servers. By default hubs make certificates from --cluster-key-file. New connections use the new files when they change, or on SIGHUP."`
	ClusterTLSKey  string `name:"cluster-tls-key" type:"path" placeholder:"FILE" help:"Private key for --cluster-tls-cert."`
	ClusterTLSCA   string `name:"cluster-tls-ca" type:"path" placeholder:"FILE" help:"Certificates of the authorities that sign the certificates of the hubs. Changes need a restart."`
}

// checkPeerTLS refuses an incomplete set of files.
func (f *peerTLSFlags) checkPeerTLS(peers bool) error {
	given := 0
	for _, file := range []string{f.ClusterTLSCert, f.ClusterTLSKey, f.ClusterTLSCA} {
		if file != "" {
			given++
		}
	}
	switch {
	case given == 0:
		return nil
	case given < 3:
		return errors.New("--cluster-tls-cert, --cluster-tls-key and --cluster-tls-ca belong together: give all three, or none")
	case !peers:
		return errors.New("--cluster-tls-cert is for --cluster-peers, which is missing")
	}
	return nil
}

// load returns the configuration of both ends of a connection between hubs, and a function that stops watching the files. With
// hangups, SIGHUP loads the certificate again, too. The configuration is nil without the flags.
func (f *peerTLSFlags) load(logger *slog.Logger, hangups bool) (_ *tls.Config, stop func(), err error) {
	if f.ClusterTLSCert == "" {
		return nil, func() {}, nil
	}
	text, err := os.ReadFile(f.ClusterTLSCA)
	if err != nil {
		return nil, nil, fmt.Errorf("--cluster-tls-ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, nil, fmt.Errorf("--cluster-tls-ca %s has no certificate in PEM", f.ClusterTLSCA)
	}
	c, err := loadCertificate(f.ClusterTLSCert, f.ClusterTLSKey, logger)
	if err != nil {
		return nil, nil, fmt.Errorf("--cluster-tls-cert: %w", err)
	}
	c.start(hangups)
	return &tls.Config{
		GetCertificate:       func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.pair.Load(), nil },
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return c.pair.Load(), nil },
		RootCAs:              pool, ClientCAs: pool,
	}, c.close, nil
}
