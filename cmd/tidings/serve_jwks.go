package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// checkJWKS refuses a URL whose keys somebody on the way could exchange for others, or that has a secret in it.
func checkJWKS(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return errors.New("this is no URL")
	case u.User != nil:
		return errors.New("public keys need no password; leave it out of the URL")
	case u.Host == "" || !secure(u):
		return fmt.Errorf("%s is not safe; use https", u.Redacted())
	}
	return nil
}

// secure reports whether nobody can change what a URL gives on its way to us.
func secure(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback())
}

// longestJWKS is a document of some thousand keys.
const longestJWKS = 1 << 20

// fetchJWKS returns what fetches the document at a URL.
func fetchJWKS(at string) func(context.Context) ([]byte, error) {
	client := &http.Client{
		Timeout: 10 * time.Second,
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > 3 || !secure(r.URL) {
				return fmt.Errorf("it leads to %s, where it is not followed", r.URL.Redacted())
			}
			return nil
		},
	}
	return func(ctx context.Context) ([]byte, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
		if err != nil {
			return nil, err
		}
		r.Header.Set("User-Agent", "tidings-serve")
		answer, err := client.Do(r)
		if err != nil {
			return nil, err
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("%s answers %s", at, answer.Status)
		}
		doc, err := io.ReadAll(io.LimitReader(answer.Body, longestJWKS+1))
		if err == nil && len(doc) > longestJWKS {
			return nil, fmt.Errorf("%s has more than %d bytes", at, longestJWKS)
		}
		return doc, err
	}
}
