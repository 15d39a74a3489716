package natsnode

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"net"
	"time"
)

// leastSecret is the least length of a secret, in bytes.
const leastSecret = 32

// keys are the credentials of the servers and their clients.
type keys struct {
	tls    *tls.Config // between servers
	route  string      // password between servers
	client string      // password of clients in this process
}

// makeKeys derives the keys from the secret. The purpose of each key is part of its derivation, so no key reveals another one.
func (o *Options) makeKeys(peers []string) (k keys, err error) {
	k.client = rand.Text()
	if len(peers) == 1 {
		return k, nil
	}
	if len(o.Secret) < leastSecret {
		return k, fmt.Errorf("the secret of the cluster has %d bytes, and needs at least %d", len(o.Secret), leastSecret)
	}
	route, err := hkdf.Key(sha256.New, o.Secret, nil, "tidings cluster 1: route password", 32)
	if err != nil {
		return k, err
	}
	k.route = hex.EncodeToString(route)
	switch t := o.TLS; {
	case t == nil:
		k.tls, err = deriveTLS(o.Secret, hosts(peers))
	case len(t.Certificates) == 0 && t.GetCertificate == nil, t.RootCAs == nil, t.ClientCAs == nil:
		err = errors.New("TLS between hubs needs a certificate, and the authorities of servers and clients")
	default:
		k.tls = t.Clone()
	}
	if err != nil {
		return k, err
	}
	k.tls.MinVersion, k.tls.ClientAuth = tls.VersionTLS13, tls.RequireAndVerifyClientCert
	return k, nil
}

func hosts(peers []string) (hosts []string) {
	for _, peer := range peers {
		host, _, _ := net.SplitHostPort(peer)
		hosts = append(hosts, host)
	}
	return hosts
}

// Certificates never expire: the clocks of hubs may be wrong, and the secret is the protection.
var (
	validFrom  = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	validUntil = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC) // RFC 5280, 4.1.2.5: no well-defined expiration
)

// deriveTLS derives a certificate authority from the secret, the same on every hub, and issues a certificate for this process. The
// certificate has the names of all hubs, because a hub trusts every hub that has the secret.
func deriveTLS(secret []byte, hosts []string) (*tls.Config, error) {
	seed, err := hkdf.Key(sha256.New, secret, nil, "tidings cluster 1: certificate authority", ed25519.SeedSize)
	if err != nil {
		return nil, err
	}
	authorityKey := ed25519.NewKeyFromSeed(seed)
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Tidings cluster"}, NotBefore: validFrom, NotAfter: validUntil,
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, authority, authority, authorityKey.Public(), authorityKey) // ed25519 uses no randomness
	if err != nil {
		return nil, err
	}
	if authority, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	leaf := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "Tidings hub"}, NotBefore: validFrom, NotAfter: validUntil,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			leaf.IPAddresses = append(leaf.IPAddresses, ip)
		} else {
			leaf.DNSNames = append(leaf.DNSNames, host)
		}
	}
	if der, err = x509.CreateCertificate(rand.Reader, leaf, authority, public, authorityKey); err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(authority)
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		RootCAs:      pool, ClientCAs: pool,
	}, nil
}
