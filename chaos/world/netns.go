package world

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Namespaces is a network of its own for each node. Nodes and clients meet at a bridge. A cut is a neighbour entry with an unused hardware
// address. Packets of one direction arrive nowhere, while the link stays up and no end gets an error.
//
// The hubs speak to each other through a proxy, which delays and resets: the kernel may have no netem. The proxy listens and dials in
// the network of the hub that dials, so that cuts apply to it.
//
// It needs root, and [Inside], so that everything is gone when the process ends.
type Namespaces struct {
	*Proxy
	nodes int
	cuts  []way
}

type way struct{ from, to int }

// NewNamespaces makes the network of hubs and other nodes.
func NewNamespaces(hubs, others int) (*Namespaces, error) {
	nodes := hubs + others
	n := &Namespaces{Proxy: NewProxy(hubs), nodes: nodes}
	n.network.Listen = func(node string) (l net.Listener, err error) {
		err = inside(node, func() (err error) {
			l, err = net.Listen("tcp", "127.0.0.1:0")
			return err
		})
		return l, err
	}
	n.network.Dial = func(ctx context.Context, node, target string) (c net.Conn, err error) {
		err = inside(node, func() (err error) {
			c, err = new(net.Dialer).DialContext(ctx, "tcp", target)
			return err
		})
		return c, err
	}
	commands := []string{
		"link set lo up", "link add name br0 type bridge", "addr add " + n.Host(0) + "/24 dev br0", "link set br0 up",
	}
	for node := 1; node <= nodes; node++ {
		name := namespace(node)
		commands = append(commands,
			"netns add "+name,
			fmt.Sprintf("link add veth%d type veth peer name eth0 netns %s", node, name),
			fmt.Sprintf("link set veth%d master br0 up", node),
			fmt.Sprintf("-n %s addr add %s/24 dev eth0", name, n.Host(node)),
			fmt.Sprintf("-n %s link set eth0 up", name),
			fmt.Sprintf("-n %s link set lo up", name),
		)
	}
	for _, c := range commands {
		if err := ip(c); err != nil {
			return nil, err
		}
	}
	return n, nil
}

func namespace(node int) string { return fmt.Sprintf("node%d", node) }

// inside calls f in the network of a node. The sockets that f makes stay there.
func inside(node string, f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with this goroutine, so that no other one gets its network
		space, err := os.Open(filepath.Join(spaces, "node"+node))
		if err == nil {
			if err = unix.Setns(int(space.Fd()), unix.CLONE_NEWNET); err == nil {
				err = f()
			}
			err = errors.Join(err, space.Close())
		}
		done <- err
	}()
	return <-done
}

// spaces is where ip keeps the names of networks.
const spaces = "/run/netns"

// ip runs the program ip, of Debian's package iproute2.
func ip(args string) error {
	out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s", args, err, out)
	}
	return nil
}

// Host returns the address of a node; 0 is that of all clients.
func (n *Namespaces) Host(node int) string {
	if node == 0 {
		return "10.77.0.254"
	}
	return fmt.Sprintf("10.77.0.%d", node)
}

// Place puts a command into the network of a node.
func (n *Namespaces) Place(node int, cmd *exec.Cmd) error {
	path, err := exec.LookPath("ip")
	if err != nil {
		return err
	}
	cmd.Args = append([]string{"ip", "netns", "exec", namespace(node), cmd.Path}, cmd.Args[1:]...)
	cmd.Path = path
	return nil
}

// Cut implements [Net].
func (n *Namespaces) Cut(from, to int) error {
	w := way{from, to}
	n.cuts = append(n.cuts, w)
	return ip(n.neighbour(w, "replace") + " lladdr 02:00:00:00:00:01 nud permanent")
}

func (n *Namespaces) neighbour(w way, act string) string {
	if w.from == 0 {
		return fmt.Sprintf("neigh %s %s dev br0", act, n.Host(w.to))
	}
	return fmt.Sprintf("-n %s neigh %s %s dev eth0", namespace(w.from), act, n.Host(w.to))
}

// Heal implements [Net].
func (n *Namespaces) Heal() error {
	var errs []error
	for _, w := range n.cuts {
		errs = append(errs, ip(n.neighbour(w, "replace")+" lladdr 02:00:00:00:00:01 nud stale"), ip(n.neighbour(w, "del")))
	}
	n.cuts = nil
	return errors.Join(append(errs, n.Proxy.Heal())...)
}

// CutsClients implements [Net].
func (n *Namespaces) CutsClients() bool { return true }

// isInside is set in the process that Inside starts.
const isInside = "CHAOS_INSIDE"

// Inside runs this program again in namespaces of its own for networks and mounts, and returns how it ended. In that process it returns false
// at once. All networks and mounts are gone when the process ends, however it ends.
func Inside() (ran bool, code int, err error) {
	if os.Getenv(isInside) != "" {
		return false, 0, prepare()
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), isInside+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	err = startHere(cmd)
	if err == nil {
		err = cmd.Wait()
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return true, exit.ExitCode(), nil
	}
	return true, 0, err
}

// prepare hides the folder of network namespaces behind one of our own.
func prepare() error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	// From here on, mounts appear and disappear in the namespaces that ip makes for nodes, too.
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_SHARED, ""); err != nil {
		return fmt.Errorf("make mounts shared: %w", err)
	}
	if err := os.MkdirAll(spaces, 0o755); err != nil {
		return err
	}
	return mountTmpfs(spaces, "1m")
}

func mountTmpfs(dir, size string) error {
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		return fmt.Errorf("mount a tmpfs on %s: %w", dir, err)
	}
	return nil
}
