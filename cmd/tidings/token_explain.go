package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
)

// tokenExplainCmd is the command line of tidings token explain.
type tokenExplainCmd struct {
	Token string `arg:"" optional:"" env:"TIDINGS_TOKEN" help:"The token, or - to read it from standard input, which hides it from other users of this machine; TIDINGS_TOKEN by default."`

	tokenKey `embed:""`

	Issuer   string `placeholder:"ISS" help:"The issuer (iss) that the hub requires."`
	Audience string `placeholder:"AUD" help:"The audience (aud) that the hub requires."`
}

// Help is the manual.
func (*tokenExplainCmd) Help() string {
	return `
Prints what a token says, whether a hub with that key would accept it, and if not, exactly why: the reason that such a hub logs. Give
the key of the hub, and the issuer and audience if the hub requires them. Without a key the signature cannot be checked.

Examples:

    tidings token explain --key-file tidings.key - < token
    tidings token explain --key-file public.pem --audience tidings eyJhbGciOi...

Exit codes:

    0     a hub with that key accepts the token
    1     something failed
    2     wrong usage
    3     a hub refuses the token
    4     unknown: without a key the signature cannot be checked`
}

const (
	tokenRefused   = 3
	tokenUnchecked = 4
)

// Run explains the token.
func (c *tokenExplainCmd) Run(ctx context.Context, std stdio) error {
	token, err := c.token(std.in)
	if err != nil {
		return err
	}
	key, err := c.checker()
	keyless := errors.Is(err, errNoKey)
	if err != nil && !keyless {
		return err
	}
	content, unread := access.Peek(token)
	if content.Algorithm != "" {
		if err := explain(std.out, &content); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(std.out); err != nil {
			return err
		}
	}
	switch {
	case unread != nil && keyless:
		return refused(std.out, unread)
	case keyless:
		return verdict(std.out, "not checked: without a key (--key-file or "+keyVariable+") the signature cannot be verified, and anyone may have made this token", tokenUnchecked)
	}
	v := &access.Verifier{Keys: []access.Key{key}, Issuer: c.Issuer, Audience: c.Audience}
	grant, err := v.Verify(ctx, token)
	if err != nil {
		return refused(std.out, err)
	}
	return verdict(std.out, "accepted: the signature is good, and "+inTime(content.Claimed.Expires, grant.Expires), 0)
}

// inTime says why the time of an accepted token is right. It expires at ends, and hubs accept it until accepted, because clocks differ.
func inTime(ends, accepted time.Time) string {
	if ends.Equal(accepted) {
		return "it has not expired"
	}
	now := time.Now().Unix()
	return fmt.Sprintf("it expired %s ago, but hubs accept it for %s longer, because clocks differ", span(now-ends.Unix()), span(accepted.Unix()-ends.Unix()))
}

// token returns the token from the argument, the environment or standard input.
func (c *tokenExplainCmd) token(in io.Reader) (string, error) {
	switch c.Token {
	case "":
		return "", &exitError{exitUsage, errors.New("give the token, or - to read it from standard input")}
	case "-":
		text, err := io.ReadAll(io.LimitReader(in, 2*access.MaxToken))
		return strings.TrimSpace(string(text)), err
	}
	return c.Token, nil
}

// inLine replaces line ends and tabs, so that a value in a token cannot look like a line of the output.
var inLine = strings.NewReplacer("\n", "\u240a", "\t", "\u2409")

// explain prints the content of a token.
func explain(out io.Writer, t *access.Unverified) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name, value string) { fmt.Fprintf(w, "%s\t%s\n", name, inLine.Replace(visible(value))) }
	optional := func(name, value string) {
		if value != "" {
			row(name, value)
		}
	}
	g := &t.Claimed
	row("subject", cmp.Or(g.Subject, "none"))
	optional("id", g.ID)
	optional("issuer", t.Issuer)
	optional("audience", strings.Join(t.Audience, ", "))
	row("may subscribe to", cmp.Or(patternList(g.Subscribe), "nothing"))
	row("may publish to", cmp.Or(patternList(g.Publish), "nothing"))
	optional("may see who is at", patternList(g.Presence))
	optional("is seen with", g.PresentData)
	if g.Admin {
		row("may administer", "yes: inspect the hub, close streams and revoke tokens")
	}
	now := time.Now()
	if !g.IssuedAt.IsZero() {
		row("issued", moment(g.IssuedAt, now))
	}
	if !t.NotBefore.IsZero() {
		row("begins", moment(t.NotBefore, now))
	}
	if g.Expires.IsZero() {
		row("ends", "never")
	} else {
		row("ends", moment(g.Expires, now))
	}
	row("algorithm", t.Algorithm)
	optional("key", t.KeyID)
	return w.Flush()
}

func patternList(patterns []eventlog.Matcher) string {
	texts := make([]string, len(patterns))
	for i, p := range patterns {
		texts[i] = fmt.Sprint(p)
	}
	return strings.Join(texts, ", ")
}

// moment formats a time and its distance from now.
func moment(t, now time.Time) string {
	text := t.UTC().Format(time.RFC3339)
	if d := t.Unix() - now.Unix(); d > 0 {
		return text + " (in " + span(d) + ")"
	}
	return text + " (" + span(now.Unix()-t.Unix()) + " ago)"
}

// span formats a number of seconds, which may exceed the 292 years of a time.Duration.
func span(seconds int64) string {
	const day = 24 * 60 * 60
	if seconds >= 2*day {
		return fmt.Sprintf("%d days", seconds/day)
	}
	return (time.Duration(seconds) * time.Second).String()
}

// refused prints why a hub refuses a token. It returns other errors unchanged.
func refused(out io.Writer, err error) error {
	refusal, ok := errors.AsType[*access.Refusal](err)
	if !ok {
		return err
	}
	return verdict(out, "refused: "+refusal.Detail+"\nthe client gets: "+refusal.Public, tokenRefused)
}

// verdict prints the decision of a hub and returns the exit code.
func verdict(out io.Writer, text string, code int) error {
	if _, err := fmt.Fprintln(out, visible(text)); err != nil || code == 0 {
		return err
	}
	return &exitError{code: code}
}
