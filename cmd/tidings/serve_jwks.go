package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// jwksURL is the URL of a JWKS. It is checked when it is read, before tidings config could print a secret in it.
type jwksURL string

// UnmarshalText reads and checks the URL.
func (u *jwksURL) UnmarshalText(text []byte) error {
	*u = jwksURL(text)
	return checkJWKS(string(text))
}

// checkJWKS refuses a URL without TLS, because the keys could be replaced on the way, and a URL that contains a secret.
func checkJWKS(text string) error {
	u, err := url.Parse(text)
	switch {
	case !strings.Contains(text, "://"): // also localhost:9000/keys, whose scheme would be localhost
		return errors.New("the URL has no scheme: write https:// before it")
	case err != nil:
		return errors.New("this is not a URL")
	case u.User != nil:
		return errors.New("public keys need no password; leave it out of the URL")
	case u.Host == "" || !secure(u):
		return fmt.Errorf("%s is not safe; use https", withoutQuery(u))
	}
	for name := range u.Query() {
		if isSecretName(name) {
			return fmt.Errorf("public keys need no secret; leave %q out of the URL", name)
		}
	}
	return nil
}

// withoutQuery returns a URL without the parts that may contain a secret.
func withoutQuery(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// secure reports whether the answer of a URL is protected on its way: the URL uses TLS, or its host is this machine.
func secure(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback())
}

// longestJWKS is the size of the largest JWKS in bytes, enough for thousands of keys.
const longestJWKS = 1 << 20

// fetchJWKS returns a function that fetches the JWKS at a URL.
func fetchJWKS(at string) func(context.Context) ([]byte, error) {
	client := &http.Client{
		Timeout: 10 * time.Second,
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > 3 || !secure(r.URL) {
				return fmt.Errorf("it redirects to %s, which is not followed: it does not use https, or it is one redirect too many", withoutQuery(r.URL))
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
		if failed, ok := errors.AsType[*url.Error](err); ok {
			return nil, fmt.Errorf("%s: %w", withoutQuery(r.URL), failed.Err) // the error itself contains the whole URL
		}
		if err != nil {
			return nil, err
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("%s answers %s", withoutQuery(r.URL), answer.Status)
		}
		doc, err := io.ReadAll(io.LimitReader(answer.Body, longestJWKS+1))
		if err == nil && len(doc) > longestJWKS {
			return nil, fmt.Errorf("%s has more than %d bytes", withoutQuery(r.URL), longestJWKS)
		}
		return doc, err
	}
}
