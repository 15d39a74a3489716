package redislog

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

const escape = "is not a URL: in a user and a password write / as %2F, ? as %3F, # as %23 and % as %25"

// parseURL reads the address of Redis; see [Options]. Its errors quote no part of the address that could contain a password
// by mistake.
func parseURL(text string) (*redis.UniversalOptions, error) {
	fail := func(why string) (*redis.UniversalOptions, error) {
		return nil, fmt.Errorf("redislog: the address of Redis %s; it looks like redis://user:password@host:6379/0", why)
	}
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok || scheme != "redis" && scheme != "rediss" {
		return fail("must begin with redis:// or rediss://")
	}
	// Package url refuses several hosts with ports, so parseURL cuts the hosts out first.
	authority, tail := rest, ""
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		authority, tail = rest[:i], rest[i:]
	}
	if strings.ContainsAny(rest, "#") || strings.Contains(tail, "@") {
		return fail(escape)
	}
	user, hosts := "", authority
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		user, hosts = authority[:i+1], authority[i+1:]
	}
	u, err := url.Parse(scheme + "://" + user + "host" + tail)
	if err != nil {
		return fail(escape)
	}

	to := &redis.UniversalOptions{Username: u.User.Username()}
	to.Password, _ = u.User.Password()
	if scheme == "rediss" {
		to.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if path := strings.TrimPrefix(u.Path, "/"); path != "" {
		if to.DB, err = strconv.Atoi(path); err != nil || to.DB < 0 {
			return fail("has a path that is not the number of a database")
		}
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return fail("has parameters that cannot be read")
	}
	for name, values := range query {
		switch {
		case len(values) > 1:
			return fail(fmt.Sprintf("has the parameter %q twice", name))
		case name == "sentinel" && values[0] != "":
			to.MasterName = values[0]
		case name == "cluster" && values[0] == "true":
			to.IsClusterMode = true
		case name == "sentinel", name == "cluster":
			return fail(`has a parameter without a value: use sentinel=NAME or cluster=true`)
		default:
			return fail(fmt.Sprintf("has the parameter %q; known are sentinel=NAME and cluster=true", name))
		}
	}

	port := "6379"
	if to.MasterName != "" {
		port = "26379"
	}
	for i, host := range strings.Split(hosts, ",") {
		addr, err := address(host, port)
		if err != nil {
			return fail(fmt.Sprintf("has a host, number %d, that cannot be used: %v", i+1, err))
		}
		to.Addrs = append(to.Addrs, addr)
	}
	switch {
	case to.MasterName != "" && to.IsClusterMode:
		return fail("is one of Sentinels and of a Redis Cluster at once")
	case len(to.Addrs) > 1 && to.MasterName == "" && !to.IsClusterMode:
		return fail("has several hosts: add ?sentinel=NAME if they are Sentinels, or ?cluster=true if they are nodes of a Redis Cluster")
	case to.IsClusterMode && to.DB != 0:
		return fail(fmt.Sprintf("has database %d, and a Redis Cluster has only database 0", to.DB))
	}
	return to, nil
}

// address returns host:port, with the default port if host has none.
func address(host, port string) (string, error) {
	name := host
	if h, p, err := net.SplitHostPort(host); err == nil {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil || n == 0 {
			return "", errors.New("a port is a number from 1 to 65535")
		}
		name, port = h, p
	} else if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		name = host[1 : len(host)-1]
	} else if strings.Contains(host, ":") {
		return "", errors.New("write an IPv6 address in brackets, as in [::1]:6379")
	}
	if name == "" || strings.ContainsAny(name, " \t@[]") {
		return "", errors.New("it has no name or address")
	}
	return net.JoinHostPort(name, port), nil
}

// describe returns the address of Redis as a URL without a password.
func describe(to *redis.UniversalOptions) string {
	u := url.URL{Scheme: "redis", Host: strings.Join(to.Addrs, ","), Path: "/" + strconv.Itoa(to.DB)}
	if to.TLSConfig != nil {
		u.Scheme = "rediss"
	}
	if to.Username != "" {
		u.User = url.User(to.Username)
	}
	switch {
	case to.MasterName != "":
		u.RawQuery = url.Values{"sentinel": {to.MasterName}}.Encode()
	case to.IsClusterMode:
		u.RawQuery = "cluster=true"
	}
	return u.String()
}
