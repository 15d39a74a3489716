package cutproxy

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
)

// Processes share the ports from firstPort on by blocks. A process claims a block by listening on its first port until the process ends, and gives
// the others away. js/test/port.js claims blocks in the same way.
const (
	firstPort = 11_000 // above 10080, to which browsers and Node refuse to connect
	blocks    = 380    // up to port 29,999, below those that the system gives to connections and to port 0
	blockSize = 50
)

// given is the block of this process.
var given struct {
	sync.Mutex
	next, end int            // the next port, and the end of the block
	claims    []net.Listener // never closed
}

// FreeAddress returns an address of this machine that nothing listens on, for a server that others have to know before it listens. Each address is
// given once, and not to another process, because a server may start late, and needs its address again when it restarts.
func FreeAddress() (string, error) {
	l, err := Listen()
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// Listen listens on an address of FreeAddress, for a server that stops while others still know its address: no later server answers there.
func Listen() (net.Listener, error) {
	given.Lock()
	defer given.Unlock()
	for range 1000 {
		if given.next == given.end {
			claim()
			continue
		}
		l, err := listen(given.next)
		given.next++
		if err == nil { // otherwise it is in use
			return l, nil
		}
	}
	return nil, errors.New("there is no free port")
}

// claim claims a block, if it is free.
func claim() {
	first := firstPort + blockSize*rand.N(blocks)
	if l, err := listen(first); err == nil {
		given.next, given.end, given.claims = first+1, first+blockSize, append(given.claims, l)
	}
}

func listen(port int) (net.Listener, error) { return net.Listen("tcp", fmt.Sprint("127.0.0.1:", port)) }
