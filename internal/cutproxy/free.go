package cutproxy

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// FreeAddress returns an address of this machine that nothing listens on, for a server that others have to know before it listens. The port is below
// those that the system gives to connections and to port 0, or another test could get it in between.
func FreeAddress() (string, error) {
	for range 1000 {
		l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", 10_000+rand.N(20_000)))
		if err != nil {
			continue // it is in use
		}
		return l.Addr().String(), l.Close()
	}
	return "", errors.New("there is no free port")
}
