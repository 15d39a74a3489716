package access

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// claims are what a token says: RFC 7519, section 4.1, and ours. What is absent is zero.
type claims struct {
	issuer    string
	audience  []string
	notBefore time.Time
	grant     Grant
}

// Bounds of what one token may say. The longest sub and jti are as long as OpenID Connect lets a sub be.
const (
	maxPatterns = 1000
	maxID       = 255
)

// parseClaims reads the claims of a token. The error is a *Refusal, and comes with what could be read.
func parseClaims(payload []byte) (claims, error) {
	var c claims
	o, err := parseObject(payload)
	if err != nil {
		return c, refuse(Malformed, unreadable, "its claims: %v", err)
	}
	if err := c.read(o); err != nil {
		return c, refuse(BadClaims, wrongClaims, "%v", err)
	}
	return c, nil
}

func (c *claims) read(o object) (err error) {
	if c.issuer, err = o.text("iss"); err != nil {
		return err
	}
	if c.audience, err = o.audience("aud"); err != nil {
		return err
	}
	g := &c.grant
	if g.Subject, err = o.name("sub"); err != nil {
		return err
	}
	if g.ID, err = o.name("jti"); err != nil {
		return err
	}
	if g.Expires, err = o.time("exp"); err != nil {
		return err
	}
	if c.notBefore, err = o.time("nbf"); err != nil {
		return err
	}
	if g.IssuedAt, err = o.time("iat"); err != nil {
		return err
	}
	if !o.has("tidings") {
		return errors.New(`it has no claim tidings, such as "tidings": {"subscribe": ["news/**"]}: it may be a token for something else`)
	}
	return g.read(o)
}

// read reads what is granted. A name that is not known could be a restriction: it is not passed over.
func (g *Grant) read(o object) error {
	ours, err := o.object("tidings")
	if err != nil {
		return err
	}
	for name := range ours {
		if name != "publish" && name != "subscribe" && name != "admin" {
			return fmt.Errorf("tidings has %.100q; what it may have is publish, subscribe and admin", name)
		}
	}
	if g.Publish, err = ours.patterns("publish"); err != nil {
		return err
	}
	if g.Subscribe, err = ours.patterns("subscribe"); err != nil {
		return err
	}
	if n := len(g.Publish) + len(g.Subscribe); n > maxPatterns {
		return fmt.Errorf("tidings has %d patterns; %d are the most", n, maxPatterns)
	}
	g.Admin, err = ours.bool("admin")
	return err
}

// patterns reads a list of patterns.
func (o object) patterns(name string) ([]eventlog.Pattern, error) {
	texts, err := o.texts(name)
	if err != nil || len(texts) == 0 {
		return nil, err
	}
	patterns := make([]eventlog.Pattern, len(texts))
	for i, text := range texts {
		if patterns[i], err = eventlog.ParsePattern(text); err != nil {
			return nil, fmt.Errorf("tidings.%s: number %d: %.300s", name, i+1, err.Error())
		}
	}
	return patterns, nil
}

// name reads a text that names somebody or something.
func (o object) name(name string) (string, error) {
	text, err := o.text(name)
	if err == nil && len(text) > maxID {
		err = fmt.Errorf("%s has %d bytes; %d are the most", name, len(text), maxID)
	}
	return text, err
}

// audience reads aud, which is one text or several.
func (o object) audience(name string) ([]string, error) {
	if strings.HasPrefix(string(o[name]), `"`) {
		one, err := o.text(name)
		return []string{one}, err
	}
	return o.texts(name)
}

// checkClaims checks what the token says of itself against what this hub wants. The error is a *Refusal.
func (v *Verifier) checkClaims(c *claims, now time.Time) error {
	leeway, g := v.leeway(), &c.grant
	switch {
	case v.Issuer != "" && c.issuer != v.Issuer:
		return refuse(WrongIssuer, notForUs, "its issuer is %.100q, and must be %q", c.issuer, v.Issuer)
	case v.Audience != "" && !slices.Contains(c.audience, v.Audience):
		return refuse(WrongAudience, notForUs, "its audience is %.300s, and must be or have %q", fmt.Sprintf("%.100q", c.audience), v.Audience)
	case !g.Expires.IsZero() && !now.Before(g.Expires.Add(leeway)):
		return refuse(Expired, "the token expired at "+clock(g.Expires), "it expired %v ago, at %s%s",
			now.Sub(g.Expires).Round(time.Second), clock(g.Expires), g.whose())
	case now.Before(c.notBefore.Add(-leeway)):
		return refuse(NotYetValid, "the token is not valid before "+clock(c.notBefore), "it is not valid before %s, in %v (nbf)%s",
			clock(c.notBefore), c.notBefore.Sub(now).Round(time.Second), g.whose())
	case now.Before(g.IssuedAt.Add(-leeway)):
		return refuse(NotYetValid, "the token is of the future", "it was issued in the future, at %s, in %v (iat): the clock of its issuer or of this machine is wrong%s",
			clock(g.IssuedAt), g.IssuedAt.Sub(now).Round(time.Second), g.whose())
	case v.MaxLife == 0:
		return nil
	case g.Expires.IsZero() || g.IssuedAt.IsZero():
		return refuse(BadClaims, wrongClaims, "it must have iat and exp, at most %v apart%s", v.MaxLife, g.whose())
	case g.Expires.Sub(g.IssuedAt) > v.MaxLife:
		return refuse(BadClaims, wrongClaims, "it lives for %v, and may for %v%s", g.Expires.Sub(g.IssuedAt), v.MaxLife, g.whose())
	}
	return nil
}

// whose says of whom a token is, for a refusal.
func (g *Grant) whose() string {
	if g.Subject == "" {
		return ""
	}
	return fmt.Sprintf("; its subject is %q", g.Subject)
}

// grant returns what is granted. Streams end when the token does by its own clock. Whoever comes within the leeway after that has what is
// left of it: a stream that ends as soon as it begins is a loop.
func (v *Verifier) grant(t *parts, c *claims, now time.Time) Grant {
	g := c.grant
	g.Credential = t.credential()
	if !g.Expires.IsZero() && !now.Before(g.Expires) {
		g.Expires = g.Expires.Add(v.leeway())
	}
	return g
}
