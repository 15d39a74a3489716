package natsnode

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"
)

const (
	probeTime  = 2 * time.Second
	infoLength = 64 << 10
)

// waitingFor says what a node waits for if some of the hubs that count do not run.
func waitingFor(missing []string, all int) string {
	switch need := all/2 + 1 - (all - len(missing)); {
	case need > 0:
		from := ""
		switch {
		case need == len(missing):
		case need == 1:
			from = "one of "
		default:
			from = fmt.Sprintf("%d of ", need)
		}
		return fmt.Sprintf("waiting for %s%s: %d of %d hubs are needed", from, strings.Join(missing, ", "), all/2+1, all)
	case len(missing) > 0:
		return "waiting until the hubs elect a leader, without " + strings.Join(missing, ", ")
	}
	return "waiting until the hubs elect a leader"
}

// missing returns the peers that this node cannot reach, and why, as the end of a sentence.
func (n *Node) missing(ctx context.Context) (peers []string, why string) {
	return n.unreached(n.probeAll(ctx))
}

// unreached is missing for answers that are there already.
func (n *Node) unreached(answers []answer) (peers []string, why string) {
	for i, a := range answers {
		if a.err != nil {
			peers = append(peers, n.peers[i])
			why += fmt.Sprintf("; %s: %v", n.peers[i], a.err)
		}
	}
	return peers, why
}

// answer is what a peer says to a node that connects.
type answer struct {
	name string // of its server
	err  error  // why it cannot be reached
}

// probeAll asks all peers at once. The answer of this node itself is empty.
func (n *Node) probeAll(ctx context.Context) []answer {
	ctx, cancel := context.WithTimeout(ctx, n.o.probeTime)
	defer cancel()
	answers := make([]answer, len(n.peers))
	var all sync.WaitGroup
	for i, peer := range n.peers {
		if peer != n.self {
			all.Go(func() { answers[i].name, answers[i].err = n.probe(ctx, peer) })
		}
	}
	all.Wait()
	return answers
}

// probe connects to a peer as a server does, and returns the name of its server, or why that fails. The server itself logs such errors without their
// cause. First both ends shake hands, then the other end describes itself.
func (n *Node) probe(ctx context.Context, peer string) (name string, err error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", peer)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }() // nothing is buffered
	deadline, _ := ctx.Deadline()       // a zero time sets none
	if err := conn.SetDeadline(deadline); err != nil {
		return "", err
	}
	config := n.keys.tls.Clone()
	config.ServerName, _, _ = net.SplitHostPort(peer)
	secure := tls.Client(conn, config)
	err = secure.HandshakeContext(ctx)
	var line string
	if err == nil { // with TLS 1.3, the peer verifies our certificate after that
		line, err = bufio.NewReader(io.LimitReader(secure, infoLength)).ReadString('\n')
	}
	if err != nil {
		return "", reason(err)
	}
	var info struct {
		ID      string `json:"server_id"` // of the process
		Name    string `json:"server_name"`
		Cluster string `json:"cluster"`
	}
	text, ok := strings.CutPrefix(line, "INFO ")
	switch err := json.Unmarshal([]byte(text), &info); {
	case !ok || err != nil || info.Cluster != clusterName:
		return "", errors.New("it is not a hub of a cluster")
	case n.server != nil && info.ID == n.server.ID():
		return "", errors.New("it is this hub itself")
	case info.Name == n.name:
		return "", &twinError{n.name}
	}
	return info.Name, nil
}

// twinError reports a peer that has the name of this node.
type twinError struct{ name string }

func (e *twinError) Error() string {
	return fmt.Sprintf("it has this hub's name, %s: its data directory is a copy of this one. Delete %s and the directory %s in one of them, so that it joins as a new peer", e.name, nameFile, storeDir)
}

// checkTwin refuses to be the second server with one name: both would vote under it. A node whose server has not started gives way to every server that
// runs. Of two that start at once, the one whose address comes later gives way.
func (n *Node) checkTwin(answers []answer) error {
	for i, a := range answers {
		if twin, ok := errors.AsType[*twinError](a.err); ok && (n.server == nil || n.peers[i] < n.self) {
			return fmt.Errorf("%s runs already: %w", n.peers[i], twin)
		}
	}
	return nil
}

const otherKey = "another cluster key, or certificates of another authority: all hubs need the same"

var errOtherKey = errors.New("it has " + otherKey)

// otherKeys says which peers have another key, as the end of a sentence; empty: none has.
func (n *Node) otherKeys(answers []answer) string {
	var peers []string
	for i, a := range answers {
		if errors.Is(a.err, errOtherKey) {
			peers = append(peers, n.peers[i])
		}
	}
	if len(peers) == 0 {
		return ""
	}
	return "; " + does(peers, "has ", "have ") + otherKey
}

// reason explains the error of a handshake.
func reason(err error) error {
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	_, host := errors.AsType[x509.HostnameError](err)
	_, plain := errors.AsType[tls.RecordHeaderError](err)
	switch {
	case unknown || strings.Contains(err.Error(), "unknown certificate authority"): // the alert of the other end has no type
		return errOtherKey
	case host:
		return fmt.Errorf("its certificate is not for this name: all hubs need the same list of peers (%w)", err)
	case plain:
		return errors.New("it does not use TLS: is it a hub of a cluster?")
	case errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded):
		return errors.New("it accepts connections, but sends nothing: is it a hub of a cluster?")
	}
	return fmt.Errorf("TLS fails: %w", err)
}
