package cutproxy

import (
	"net"
	"testing"
)

// TestFreeAddressIsGivenOnce: not again by this process, and not by another one. Two tests could get one address, because a server listens on it
// only later.
func TestFreeAddressIsGivenOnce(t *testing.T) {
	seen := map[string]bool{}
	for range 3 * blockSize {
		addr, err := FreeAddress()
		if err != nil {
			t.Fatal(err)
		}
		if seen[addr] {
			t.Errorf("%s is given twice", addr)
		}
		seen[addr] = true
	}
	if len(given.claims) < 4 {
		t.Errorf("%d addresses are of %d blocks", len(seen), len(given.claims))
	}
	for _, l := range given.claims {
		if again, err := net.Listen("tcp", l.Addr().String()); err == nil {
			_ = again.Close()
			t.Errorf("another process can claim the block of %s", l.Addr())
		}
	}
}

// TestAddressOfAStoppedServerIsNotGivenAgain: clients that still know it reach nobody.
func TestAddressOfAStoppedServerIsNotGivenAgain(t *testing.T) {
	l, err := Listen()
	if err != nil {
		t.Fatal(err)
	}
	stopped := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 * blockSize {
		addr, err := FreeAddress()
		if err != nil {
			t.Fatal(err)
		}
		if addr == stopped {
			t.Fatalf("%s is given again", addr)
		}
	}
}
