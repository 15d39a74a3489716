package driver

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/tidings-sse/tidings/internal/cutproxy"
)

// probe asks for a URL until ctx ends, and reports whether the answer is 200.
func probe(ctx context.Context, url string) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	resp, err := probes.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err == nil && resp.StatusCode == http.StatusOK
}

// probes keeps no connection, because the hub may be another process the next time.
var probes = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// FreeAddress returns an address of a host on which no program listens. Its port is given once, because a node that starts again needs it.
func FreeAddress(host string) (string, error) {
	address, err := cutproxy.FreeAddress()
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	_, port, err := net.SplitHostPort(address)
	return net.JoinHostPort(host, port), err
}
