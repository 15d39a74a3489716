package natsnode

import (
	"context"
	"errors"
	"net"
	"net/url"
	"path/filepath"
	"strconv"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

const (
	account       = server.DEFAULT_GLOBAL_ACCOUNT
	systemAccount = server.DEFAULT_SYSTEM_ACCOUNT

	clientUser = "hub"
	systemUser = "admin"
	routeUser  = "hub"

	clusterName = "tidings"

	// nobody is the address that a server announces. Servers would connect to announced addresses in addition to those in their own list of
	// peers. Such an address may be wrong, because containers change theirs, and certificates are for names.
	nobody = "127.0.0.1:1"
)

// start starts the server, and returns when it is current.
func (n *Node) start(ctx context.Context) (err error) {
	settings, err := n.settings()
	if err != nil {
		return err
	}
	if n.server, err = server.NewServer(settings); err != nil {
		return err
	}
	n.server.SetLoggerV2(&serverLog{logger: n.o.Logger, fatal: n.fail}, false, false, false)
	n.server.Start()
	n.system, err = nats.Connect("", nats.InProcessServer(n.server), nats.UserInfo(systemUser, n.keys.client), nats.MaxReconnects(-1), nats.RetryOnFailedConnect(true),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { n.o.Logger.Debug("NATS", "error", err.Error()) }))
	if err != nil {
		return err
	}
	return n.await(ctx)
}

// settings returns the options of the server.
//
// It must listen for clients although all of them are in this process: the server opens its routes only after that (DontListen would
// prevent both).
func (n *Node) settings() (*server.Options, error) {
	system := server.NewAccount(systemAccount)
	o := &server.Options{
		ServerName: n.name, Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, MaxPayload: maxPayload,
		Accounts: []*server.Account{system}, SystemAccount: systemAccount,
		Users:     []*server.User{{Username: clientUser, Password: n.keys.client}, {Username: systemUser, Password: n.keys.client, Account: system}},
		JetStream: true, StoreDir: filepath.Join(n.o.Dir, storeDir), SyncAlways: true, DisableJetStreamBanner: true,
		JetStreamMaxMemory: 16 << 20, JetStreamMaxStore: n.o.Store,
	}
	if len(n.peers) == 1 {
		return o, nil
	}
	listen, err := n.o.ListenAddress(n.self)
	if err != nil {
		return nil, err
	}
	host, text, err := net.SplitHostPort(listen)
	if err != nil {
		return nil, err
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return nil, errors.New(text + " is not a port")
	}
	o.Cluster = server.ClusterOpts{
		Name: clusterName, Host: host, Port: port, Advertise: nobody, NoAdvertise: true, Username: routeUser, Password: n.keys.route,
		TLSConfig: n.keys.tls, TLSTimeout: 5, PoolSize: 3,
		Compression: server.CompressionOpts{Mode: server.CompressionS2Auto}, // none between hubs that are less than 10 ms apart
	}
	for _, peer := range n.peers {
		o.Routes = append(o.Routes, &url.URL{Scheme: "nats-route", User: url.UserPassword(routeUser, n.keys.route), Host: peer})
	}
	return o, nil
}
