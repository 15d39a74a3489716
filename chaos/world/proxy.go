package world

import (
	"strconv"
	"time"

	"github.com/tidings-sse/tidings/internal/cutproxy"
)

// Proxy is a network of hubs that speak to each other through a proxy. It needs no root. Clients and hubs speak directly.
type Proxy struct {
	network *cutproxy.Network
	hubs    int
}

// NewProxy returns the network of hubs.
func NewProxy(hubs int) *Proxy { return &Proxy{cutproxy.New(), hubs} }

// Link returns the address by which a hub reaches another one that listens on target.
func (p *Proxy) Link(from, to int, target string) (string, error) {
	return p.network.Link(strconv.Itoa(from), strconv.Itoa(to), target)
}

// Cut implements [Net].
func (p *Proxy) Cut(from, to int) error {
	p.network.OneWay(strconv.Itoa(from), strconv.Itoa(to))
	return nil
}

// CutsClients implements [Net].
func (p *Proxy) CutsClients() bool { return false }

// Delay implements [Net].
func (p *Proxy) Delay(d time.Duration) error {
	p.pairs(func(a, b string) { p.network.Delay(a, b, d) })
	return nil
}

// Reset implements [Net].
func (p *Proxy) Reset() error {
	p.pairs(p.network.Reset)
	return nil
}

func (p *Proxy) pairs(f func(a, b string)) {
	for a := 1; a <= p.hubs; a++ {
		for b := a + 1; b <= p.hubs; b++ {
			f(strconv.Itoa(a), strconv.Itoa(b))
		}
	}
}

// Heal implements [Net].
func (p *Proxy) Heal() error {
	p.network.Heal()
	return nil
}
