package main

import (
	"context"
	"net/http"
	"time"
)

// healthCmd is the command line of tidings health.
type healthCmd struct {
	URL string `arg:"" optional:"" name:"hub" help:"The hub's URL; --hub is the same."`

	hubFlags `embed:""`

	Config  string        `type:"path" placeholder:"FILE" help:"Ask the hub that tidings serve runs with this configuration file on this machine; the file in TIDINGS_CONFIG by default."`
	Ready   bool          `help:"Also fail while the hub accepts no requests: its log is still opening, it waits for other hubs, or it shuts down."`
	Timeout time.Duration `default:"5s" placeholder:"DURATION" help:"How long to wait for the answer; ${default} by default."`
}

// Help is the manual.
func (*healthCmd) Help() string {
	return `
Asks a hub whether it works, at /healthz, or with --ready whether it accepts requests, at /readyz. It prints nothing and exits with 0 if
so; else it says why. It needs no token. Containers use it as their health check, because the image has no shell and no curl.

Without a URL, --hub and TIDINGS_HUB, it asks the hub of this machine with the settings that tidings serve reads: addr, tls-cert and
acme-domain in the configuration file, or TIDINGS_ADDR, TIDINGS_TLS_CERT and TIDINGS_ACME_DOMAIN. It then sends no token, and checks the
certificate only with --ca. It cannot see the flags of a running tidings serve.

Examples:

    tidings health
    tidings health --config /etc/tidings/hub.yaml
    tidings health --ready unix:/run/tidings/hub.sock`
}

// Run asks the hub.
func (c *healthCmd) Run(ctx context.Context, env environ) error {
	client, err := c.client(env)
	if err != nil {
		return err
	}
	path := "healthz"
	if c.Ready {
		path = "readyz"
	}
	ctx, stop := context.WithTimeoutCause(ctx, c.Timeout, &noAnswerError{client.String(), http.MethodGet, c.Timeout})
	defer stop()
	return client.ask(ctx, http.MethodGet, path, nil, nil, nil)
}
