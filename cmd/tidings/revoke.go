package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/tidings-sse/tidings/internal/address"
)

// revokeCmd is the command line of tidings revoke.
type revokeCmd struct {
	URL string `arg:"" optional:"" name:"hub" help:"The hub's URL; --hub is the same."`

	hubFlags `embed:""`

	Sub    string `group:"What to revoke" placeholder:"NAME" help:"Revoke all tokens issued to the subject NAME (sub) so far."`
	JTI    string `group:"What to revoke" name:"jti" placeholder:"ID" help:"Revoke the token with this ID (jti)."`
	Format string `group:"What to revoke" short:"f" enum:"auto,text,json" default:"auto" placeholder:"FORMAT" help:"text or json; by default text on a terminal, else JSON."`
}

// Help is the manual.
func (*revokeCmd) Help() string {
	return `
Revokes tokens: their streams end at once, and the hub refuses them from now on, also after a restart. tidings token explain shows
the sub and the jti of a token.

Tokens that are issued to the same sub more than 30 seconds later are accepted again; the margin is for clocks that differ.

The hub requires a token with admin: true. If administration has its own address (--admin-addr), give that address instead.

Examples:

    tidings revoke --sub alice
    tidings revoke https://hub.example --jti RL3N2SFXATCJACBQATVJBZBOYV`
}

// Run revokes the tokens.
func (c *revokeCmd) Run(ctx context.Context, std stdio) error {
	if c.URL != "" && !address.Is(c.URL) {
		return &exitError{exitUsage, fmt.Errorf("%q is not the URL of a hub\nhint: tidings revoke --sub %[2]s", c.URL, visible(c.URL))}
	}
	if (c.Sub == "") == (c.JTI == "") {
		return &exitError{exitUsage, errors.New("say which tokens to revoke: --sub NAME for all of a subject, or --jti ID for one")}
	}
	client, err := c.connectTo(c.URL, "revoke")
	if err != nil {
		return err
	}
	done, err := revoke(ctx, client, revocation{Subject: c.Sub, ID: c.JTI})
	if err != nil {
		return err
	}
	if c.Format == "json" || c.Format == "auto" && !isTerminal(std.out) {
		return json.NewEncoder(std.out).Encode(done)
	}
	what := "the token " + visible(c.JTI) + " is refused from now on"
	if c.Sub != "" {
		until := done.Until
		if until.IsZero() { // an older hub
			until = done.At
		}
		what = fmt.Sprintf("all tokens issued to %s up to %s are refused from now on", visible(c.Sub), until.Local().Format(time.DateTime+" MST"))
	}
	_, err = fmt.Fprintf(std.out, "%s; stored as %s\n", what, visible(done.Stored))
	return err
}

// revocation is the body of a request to revoke, and of its answer.
type revocation struct {
	Subject string    `json:"sub,omitempty"`
	ID      string    `json:"jti,omitempty"`
	At      time.Time `json:"at,omitzero"`
	Until   time.Time `json:"until,omitzero"` // tokens of the subject issued up to this time are refused
	Stored  string    `json:"stored,omitempty"`
}

// revoke asks a hub to revoke tokens.
func revoke(ctx context.Context, client *hubClient, what revocation) (done revocation, err error) {
	body, err := json.Marshal(what)
	if err != nil {
		return done, err
	}
	return done, client.ask(ctx, http.MethodPost, "api/v1/revoke", nil, body, &done)
}
