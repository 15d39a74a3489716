package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
)

// consoleCmd is the command line of tidings console.
type consoleCmd struct {
	URL string `arg:"" optional:"" name:"hub" help:"The hub's URL; --hub is the same."`

	hubFlags `embed:""`

	tokenKey `embed:"" group:"Which token"`
	Sub      string    `group:"Which token" default:"console" placeholder:"NAME" help:"The subject (sub) of the token; ${default} by default."`
	TTL      tokenLife `group:"Which token" name:"ttl" default:"15m" placeholder:"TIME" help:"How long the token is valid, such as 5m or 8h; ${default} by default."`
	Issuer   string    `group:"Which token" placeholder:"ISS" help:"The issuer (iss), if the hub requires one."`
	Audience string    `group:"Which token" placeholder:"AUD" help:"The audience (aud), if the hub requires one."`
}

// Help is the manual.
func (*consoleCmd) Help() string {
	return `
Prints the URL of a hub's web console, with a token for everything that is valid for 15 minutes. The token is in the fragment of the
URL, which browsers do not send to servers. The key must be one that the hub accepts.

Without a key the URL has the token of --token, or none: a hub without keys needs none. If administration has its own address
(--admin-addr), give that address instead.

Everyone who sees the URL can use it until the token ends; tidings revoke --sub console ends it earlier.

Examples:

    tidings console
    tidings console --key-file tidings.key
    tidings console https://hub.example --key-file tidings.key --ttl 8h`
}

// Run makes a token, checks that the hub accepts it, and prints the URL.
func (c *consoleCmd) Run(ctx context.Context, std stdio) error {
	client, err := c.connectTo(c.URL, "console")
	if err != nil {
		return err
	}
	if client.Socket != "" {
		return &exitError{exitUsage, fmt.Errorf("a browser cannot open a Unix socket; give the HTTP address of a proxy before %s", client)}
	}
	if client.token, err = c.mint(); err != nil {
		return err
	}
	err = client.ask(ctx, http.MethodGet, "api/v1/stats", nil, nil, nil)
	if refused, ok := errors.AsType[*refusedError](err); ok && refused.StatusCode == http.StatusUnauthorized && client.token == "" {
		return &exitError{exitRefused, fmt.Errorf("%s needs a token: --key-file names its key, which makes one; or give one with --token", client)}
	} else if err != nil {
		return err
	}
	if err := client.ask(ctx, http.MethodGet, "console/", nil, nil, nil); err != nil {
		return fmt.Errorf("%s serves no console, perhaps because of --no-console: %w", client, err)
	}
	url := client.URL.JoinPath("console/").String()
	if client.token != "" {
		url += "#token=" + client.token // of characters that need no escape
	}
	if isTerminal(std.err) && client.token != "" {
		_, _ = fmt.Fprintln(std.err, "Open this in a browser. Everyone who has the URL can use the token until it ends.")
	}
	_, err = fmt.Fprintln(std.out, url)
	return err
}

// mint returns a token for everything, or the one of --token if there is no key.
func (c *consoleCmd) mint() (string, error) {
	signer, err := c.signer()
	if errors.Is(err, errNoKey) {
		return c.Token, nil
	} else if err != nil {
		return "", err
	}
	all := []eventlog.Matcher{eventlog.MustPattern("**")}
	grant := access.Grant{Subject: c.Sub, IssuedAt: time.Now(), Admin: true, Publish: all, Subscribe: all, Presence: all}
	if c.TTL > 0 {
		grant.Expires = grant.IssuedAt.Add(time.Duration(c.TTL))
	}
	signer.Issuer, signer.Audience = c.Issuer, c.Audience
	return signer.Mint(grant)
}
