package cutproxy

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
)

// given holds the addresses that FreeAddress has returned to this process.
var given sync.Map

// FreeAddress returns an address of this machine that nothing listens on, for a server that others have to know before it listens. A process gets
// each address once, because a server that restarts needs its own again. The port is below those that the system gives to connections and to
// port 0, or another test could get it in between.
func FreeAddress() (string, error) {
	for range 1000 {
		l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", 11_000+rand.N(19_000))) // above 10080, to which browsers and Node refuse to connect
		if err != nil {
			continue // it is in use
		}
		address, err := l.Addr().String(), l.Close()
		if _, again := given.LoadOrStore(address, true); err != nil || !again {
			return address, err
		}
	}
	return "", errors.New("there is no free port")
}
