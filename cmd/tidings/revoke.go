package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// revokeCmd is the command line of tidings revoke.
type revokeCmd struct {
	URL string `arg:"" optional:"" name:"hub" help:"The hub's URL, if not by --hub."`

	hubFlags `embed:""`

	Sub    string `group:"What to revoke" placeholder:"NAME" help:"All tokens that were issued to NAME (sub) up to now."`
	JTI    string `group:"What to revoke" name:"jti" placeholder:"ID" help:"The token with this ID (jti)."`
	Format string `group:"What to revoke" short:"f" enum:"auto,text,json" default:"auto" placeholder:"FORMAT" help:"text or json; text on a terminal and JSON elsewhere if not given."`
}

// Help is the manual.
func (*revokeCmd) Help() string {
	return `
Takes tokens back: their streams end at once, and the hub refuses them from now on, also after a restart. tidings token explain says what a token's
sub and jti are.

A token of the same sub is good again if it is issued later, by more than 30 seconds, because clocks differ.

The hub wants a token that says admin; where administration has a listener of its own (--admin-addr), name that listener.

Examples:

    tidings revoke --sub alice
    tidings revoke https://hub.example --jti RL3N2SFXATCJACBQATVJBZBOYV`
}

// Run takes them back.
func (c *revokeCmd) Run(ctx context.Context, std stdio) error {
	if (c.Sub == "") == (c.JTI == "") {
		return &exitError{exitUsage, errors.New("say whose tokens, by --sub NAME, or which one, by --jti ID")}
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

// revocation is what a hub is asked to take back, and in its answer, since when, up to when and where that is stored.
type revocation struct {
	Subject string    `json:"sub,omitempty"`
	ID      string    `json:"jti,omitempty"`
	At      time.Time `json:"at,omitzero"`
	Until   time.Time `json:"until,omitzero"` // tokens of the subject issued up to then are refused
	Stored  string    `json:"stored,omitempty"`
}

// revoke asks a hub to take something back.
func revoke(ctx context.Context, client *hubClient, what revocation) (done revocation, err error) {
	body, err := json.Marshal(what)
	if err != nil {
		return done, err
	}
	return done, client.ask(ctx, http.MethodPost, "api/v1/revoke", nil, body, &done)
}
