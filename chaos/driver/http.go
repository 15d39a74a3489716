package driver

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
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

// FreeAddress returns an address of a host on which no program listens.
func FreeAddress(host string) (string, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	address := l.Addr().String()
	return address, l.Close()
}
