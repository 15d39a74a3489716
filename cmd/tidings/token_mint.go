package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/tidings-sse/tidings/access"
)

// tokenMintCmd is the command line of tidings token mint.
type tokenMintCmd struct {
	tokenKey `embed:""`

	Sub         string    `placeholder:"NAME" help:"The subject (sub), which names the user or program that gets the token. Revocations and idempotency keys refer to it."`
	Subscribe   []string  `sep:"none" placeholder:"PATTERN" help:"Topics to subscribe to; * stands for one segment, ** at the end for any number. Can be repeated."`
	Publish     []string  `sep:"none" placeholder:"PATTERN" help:"Topics to publish to. Can be repeated."`
	Presence    []string  `sep:"none" placeholder:"PATTERN" help:"Topics at which to see who is present. Can be repeated."`
	Admin       bool      `help:"Let the bearer inspect the hub, close streams and revoke tokens."`
	TTL         tokenLife `name:"ttl" default:"1h" placeholder:"TIME" help:"How long the token is valid, such as 90s, 24h or 7d; ${default} by default. A token with the value forever never expires, and only a revocation ends it."`
	PresentData string    `placeholder:"JSON" help:"What others see of the subject where it is present, such as {\"name\": \"Alice\"}; at most 256 bytes."`
	ID          string    `name:"id" placeholder:"ID" help:"ID of the token (jti), to revoke it alone; random by default."`
	Issuer      string    `placeholder:"ISS" help:"The issuer (iss), if the hub requires one."`
	Audience    string    `placeholder:"AUD" help:"The audience (aud), if the hub requires one."`
}

// Help is the manual.
func (*tokenMintCmd) Help() string {
	return `
Prints the token on standard output, and what it grants on standard error if that is a terminal.

Examples:

    tidings token mint --key-file tidings.key --sub alice \
      --subscribe 'news/**' --publish chat
    tidings token mint --key-file private.pem --sub robot --ttl 30d \
      --publish 'sensors/*'
    export TIDINGS_TOKEN=$(tidings token mint --key-file tidings.key --sub me \
      --subscribe '**' --publish '**' --admin)`
}

// tokenLife is how long a token is valid; 0 means forever.
type tokenLife time.Duration

// UnmarshalText reads a duration such as 90s, 24h or 7d, or forever.
func (l *tokenLife) UnmarshalText(text []byte) error {
	if string(text) == "forever" {
		*l = 0
		return nil
	}
	d, err := parseAge(string(text))
	if err != nil {
		return fmt.Errorf("%w, or forever", err)
	}
	if d < time.Second {
		return fmt.Errorf("%q is shorter than a second, the unit of time in tokens", text)
	}
	*l = tokenLife(d)
	return nil
}

// Run makes the token.
func (c *tokenMintCmd) Run(std stdio) error {
	signer, err := c.signer()
	switch {
	case errors.Is(err, errNoKey):
		return &exitError{exitUsage, err}
	case err != nil:
		return err
	}
	grant, err := c.grant()
	if err != nil {
		return &exitError{exitUsage, err}
	}
	signer.Issuer, signer.Audience = c.Issuer, c.Audience
	token, err := signer.Mint(grant)
	if err != nil {
		return err
	}
	if isTerminal(std.err) {
		if made, err := access.Peek(token); err == nil {
			_ = explain(std.err, &made) // the token itself is more important
		}
	}
	_, err = fmt.Fprintln(std.out, token)
	return err
}

// grant returns the grant that the flags describe.
func (c *tokenMintCmd) grant() (access.Grant, error) {
	g := access.Grant{Subject: c.Sub, ID: c.ID, IssuedAt: time.Now(), Admin: c.Admin}
	if c.TTL > 0 {
		g.Expires = g.IssuedAt.Add(time.Duration(c.TTL))
	}
	var err error
	if g.Publish, err = parsePatterns("--publish", c.Publish); err != nil {
		return g, err
	}
	if g.Subscribe, err = parsePatterns("--subscribe", c.Subscribe); err != nil {
		return g, err
	}
	if g.Presence, err = parsePatterns("--presence", c.Presence); err != nil {
		return g, err
	}
	if g.PresentData, err = access.ParsePresentData([]byte(c.PresentData)); err != nil {
		return g, fmt.Errorf("--present-data: %w", err)
	}
	if len(g.Publish)+len(g.Subscribe)+len(g.Presence) == 0 && !g.Admin {
		return g, errors.New("the token would grant nothing\nhint: --subscribe 'news/**', --publish chat, --admin")
	}
	return g, nil
}
