package main

import (
	"cmp"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"

	"github.com/tidings-sse/tidings/eventlog/cluster/natslog"
)

// clusterFlags name the other hubs that share the log, and the place of the shared log.
type clusterFlags struct {
	ClusterPeers   []string `sep:"," placeholder:"HOST:PORT,…" help:"Share one log with other hubs, and keep it on these hubs themselves: the addresses at which the hubs reach each other, this one included, the same list on all. hub-{0..2}.hubs stands for three. The port is 4248 by default. Use an odd number of hubs."`
	ClusterListen  string   `placeholder:"HOST:PORT" help:"Which of --cluster-peers this hub is, or another address to listen on for them. By default the hub finds itself by the name and the addresses of its machine."`
	ClusterName    string   `placeholder:"NAME" help:"Name of this hub in its cluster; by default that of its machine, with a suffix."`
	ClusterKeyFile string   `type:"path" placeholder:"FILE" help:"File with the secret that all hubs of a cluster share; tidings cluster key makes one. Hubs authenticate each other with it."`
	ClusterURL     string   `name:"cluster-url" placeholder:"URL" help:"Address at which the other hubs reach this one by HTTP, such as http://10.0.0.1:3000; by default the host of its peer address or of its machine, with the port of --addr."`

	NATS         natsURL `name:"nats" placeholder:"URL" help:"Share one log with other hubs, and keep it in NATS JetStream: nats://user:password@host:4222, several separated by commas; tls:// for TLS."`
	NATSStream   string  `name:"nats-stream" default:"tidings" placeholder:"NAME" help:"Stream of the shared log; ${default} by default. Hubs with the same stream are a cluster."`
	NATSReplicas uint    `name:"nats-replicas" default:"0" placeholder:"N" help:"Servers that store each event, 1 to 5. By default as many hubs as there are, at most 3, also of five hubs: publishing needs a majority of these; with --nats what the stream has, 1 for a new one."`
	NATSCreds    string  `name:"nats-creds" type:"path" placeholder:"FILE" help:"Credentials for --nats: a user's JWT and key."`
	NATSDurable  bool    `name:"nats-durable" help:"The servers of --nats write each message to disk before they acknowledge it (sync_interval: always). Without it the hub warns."`

	peerTLSFlags `embed:""`
	redisFlags   `embed:""`
}

// natsURL is a list of addresses of NATS. It is printed without passwords.
type natsURL string

// UnmarshalText checks and takes addresses. Its errors show no password.
func (u *natsURL) UnmarshalText(text []byte) error {
	if err := natslog.CheckAddresses(string(text)); err != nil {
		return err
	}
	*u = natsURL(text)
	return nil
}

// MarshalText returns the addresses without passwords.
func (u natsURL) MarshalText() ([]byte, error) {
	if u == "" {
		return nil, nil
	}
	return []byte(natslog.Redacted(string(u))), nil
}

// clustered reports whether the hub shares its log.
func (f *clusterFlags) clustered() bool {
	return len(f.ClusterPeers) > 0 || f.NATS != "" || f.Redis != ""
}

// checkCluster refuses flags that contradict each other.
func (f *serveFlags) checkCluster() error {
	peers, nats := len(f.ClusterPeers) > 0, f.NATS != ""
	for _, c := range []struct {
		given bool
		flag  string
		fits  bool
		of    string
	}{
		{f.ClusterListen != "", "cluster-listen", peers, "--cluster-peers"},
		{f.ClusterName != "", "cluster-name", f.clustered(), "--cluster-peers, --nats or --redis"},
		{f.ClusterKeyFile != "", "cluster-key-file", f.clustered(), "--cluster-peers, --nats or --redis"},
		{f.ClusterURL != "", "cluster-url", f.clustered(), "--cluster-peers, --nats or --redis"},
		{f.NATSStream != defaultStream, "nats-stream", peers || nats, "--cluster-peers or --nats"},
		{f.NATSReplicas != 0, "nats-replicas", peers || nats, "--cluster-peers or --nats"},
		{f.NATSCreds != "", "nats-creds", nats, "--nats"},
		{f.NATSDurable, "nats-durable", nats, "--nats"},
	} {
		if c.given && !c.fits {
			return fmt.Errorf("--%s is for %s, which is missing", c.flag, c.of)
		}
	}
	switch {
	case peers && nats, peers && f.Redis != "", nats && f.Redis != "":
		return errors.New("--cluster-peers keeps the shared log on the hubs, --nats and --redis in other servers: a hub has one of them; tidings config shows where each setting comes from")
	case f.NATSReplicas > 5:
		return fmt.Errorf("--nats-replicas is %d; it must be 1 to 5", f.NATSReplicas)
	case f.clustered() && f.Memory:
		return errors.New("--memory is for a hub alone: a hub of a cluster keeps a copy of the shared log on disk (--data)")
	}
	if err := errors.Join(f.checkRedis(), f.checkPeerTLS(peers), checkClusterURL(f.ClusterURL)); err != nil || !peers {
		return err
	}
	return f.checkPeers()
}

// defaultStream is the default of --nats-stream.
const defaultStream = "tidings"

func checkClusterURL(text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" {
		return fmt.Errorf("--cluster-url %q is not the address of a hub\nhint: --cluster-url http://10.0.0.1:3000", text)
	}
	return nil
}

// messageOverhead is the space that a message of the shared log needs beside the largest event, in bytes.
const messageOverhead = 64 << 10

// leastClusterKey is the length of a secret, in bytes.
const leastClusterKey = 32

// secret reads the secret of the cluster. It returns nil if there is none.
func (f *clusterFlags) secret() ([]byte, error) {
	if f.ClusterKeyFile == "" {
		return nil, nil
	}
	text, err := os.ReadFile(f.ClusterKeyFile)
	if err != nil {
		return nil, fmt.Errorf("--cluster-key-file: %w\nhint: tidings cluster key %s makes one; all hubs need the same", err, f.ClusterKeyFile)
	}
	secret := strings.TrimSpace(string(text))
	if len(secret) < leastClusterKey {
		return nil, fmt.Errorf("--cluster-key-file %s has %d bytes, and needs at least %d\nhint: tidings cluster key makes one", f.ClusterKeyFile, len(secret), leastClusterKey)
	}
	return []byte(secret), nil
}

// requestKey returns the key that signs requests between hubs. It does not reveal the secret.
func requestKey(secret []byte) ([]byte, error) {
	if secret == nil {
		return nil, nil
	}
	return hkdf.Key(sha256.New, secret, nil, "tidings cluster 1: requests between hubs", sha256.Size)
}

// url returns the address at which the other hubs reach this one, which listens at a place. peer is the host at which they reach it otherwise;
// it may be empty.
func (f *serveFlags) url(at *place, peer string) string {
	if f.ClusterURL != "" {
		return strings.TrimSuffix(f.ClusterURL, "/")
	}
	own, err := url.Parse(at.url)
	if err != nil || at.socket != "" {
		return ""
	}
	host := own.Hostname()
	if !local(f.Addr) && loopback(host) { // the hub listens on all addresses
		machine, _ := os.Hostname() // without a name there is no address
		if host = cmp.Or(peer, machine); host == "" {
			return ""
		}
	}
	return own.Scheme + "://" + strings.TrimSuffix(net.JoinHostPort(host, own.Port()), ":") // port 443 is not in the URL
}
