package access

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/tidings-sse/tidings/eventlog"
)

// claims are the checked content of a token. A claim that the token lacks is zero.
type claims struct {
	issuer    string
	audience  []string
	notBefore time.Time
	grant     Grant
}

// payload is the JSON of the claims: those of RFC 7519, section 4.1, and ours. Claims that are not listed here are ignored.
type payload struct {
	Issuer    string      `json:"iss"`
	Audience  audience    `json:"aud"`
	Subject   string      `json:"sub"`
	ID        string      `json:"jti"`
	Expires   numericDate `json:"exp"`
	NotBefore numericDate `json:"nbf"`
	IssuedAt  numericDate `json:"iat"`
	Tidings   *permission `json:"tidings"`
}

// permission is the claim "tidings".
type permission struct {
	Publish   []string `json:"publish"`
	Subscribe []string `json:"subscribe"`
	Presence  []string `json:"presence"`
	Admin     bool     `json:"admin"`

	PresentData jsontext.Value `json:"present_data"`
}

// UnmarshalJSONFrom implements [json.UnmarshalerFrom]. It refuses names that it does not know, because one could be a restriction.
func (p *permission) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	type plain permission
	return json.UnmarshalDecode(dec, (*plain)(p), json.RejectUnknownMembers(true))
}

// Limits of one token. OpenID Connect Core, section 2, allows a sub of 255 bytes.
const (
	maxPatterns = 1000
	maxID       = 255
)

// parseClaims reads the claims of a token. With an error, a *Refusal, it also returns the claims read before it.
func parseClaims(text []byte) (claims, error) {
	var p payload
	err := decodeToken(text, &p)
	c := claims{
		issuer: p.Issuer, audience: p.Audience, notBefore: p.NotBefore.Time,
		grant: Grant{Subject: p.Subject, ID: p.ID, IssuedAt: p.IssuedAt.Time, Expires: p.Expires.Time},
	}
	if _, ok := errors.AsType[syntaxError](err); ok {
		return c, refuse(Malformed, unreadable, "its claims: %v", err)
	}
	if err == nil {
		err = c.grant.read(&p)
	}
	if err != nil {
		return c, refuse(BadClaims, wrongClaims, "%v", err)
	}
	return c, nil
}

// read checks the names and takes over what is granted.
func (g *Grant) read(p *payload) (err error) {
	switch {
	case len(p.Subject) > maxID:
		return fmt.Errorf("sub has %d bytes; the limit is %d", len(p.Subject), maxID)
	case len(p.ID) > maxID:
		return fmt.Errorf("jti has %d bytes; the limit is %d", len(p.ID), maxID)
	case p.Tidings == nil:
		return errors.New(`it has no claim "tidings", such as "tidings": {"subscribe": ["news/**"]}; it may be a token for another service`)
	}
	ours := p.Tidings
	if n := len(ours.Publish) + len(ours.Subscribe) + len(ours.Presence); n > maxPatterns {
		return fmt.Errorf("tidings has %d patterns; the limit is %d", n, maxPatterns)
	}
	if g.Publish, err = parsePatterns("publish", ours.Publish); err != nil {
		return err
	}
	if g.Subscribe, err = parsePatterns("subscribe", ours.Subscribe); err != nil {
		return err
	}
	if g.Presence, err = parsePatterns("presence", ours.Presence); err != nil {
		return err
	}
	g.Admin = ours.Admin
	g.PresentData, err = ParsePresentData(ours.PresentData)
	return err
}

// ParsePresentData checks what is to become [Grant.PresentData], and returns it without white space between its parts. Empty text is no data.
func ParsePresentData(text []byte) (string, error) {
	data := jsontext.Value(slices.Clone(text))
	if len(data) == 0 {
		return "", nil
	}
	if err := data.Compact(jsontext.AllowDuplicateNames(false), jsontext.AllowInvalidUTF8(false)); err != nil {
		return "", errors.New("present_data is not JSON, or has a name twice in an object")
	}
	switch {
	case data.Kind() == jsontext.KindNull:
		return "", errors.New("present_data is null; leave it out")
	case len(data) > MaxPresentData:
		return "", fmt.Errorf("present_data has %d bytes; the limit is %d", len(data), MaxPresentData)
	}
	return string(data), nil
}

func parsePatterns(name string, texts []string) ([]eventlog.Matcher, error) {
	var patterns []eventlog.Matcher
	for i, text := range texts {
		p, err := eventlog.ParsePattern(text)
		if err != nil {
			return nil, fmt.Errorf("tidings.%s.%d: %.300s", name, i, err.Error())
		}
		patterns = append(patterns, p)
	}
	return patterns, nil
}

// checkClaims compares the claims with the configuration and the clock. The error is a *Refusal.
func (v *Verifier) checkClaims(c *claims, now time.Time) error {
	leeway, g := v.leeway(), &c.grant
	switch {
	case v.Issuer != "" && c.issuer != v.Issuer:
		return refuse(WrongIssuer, notForUs, "its issuer is %.100q, and must be %q", c.issuer, v.Issuer)
	case v.Audience != "" && !slices.Contains(c.audience, v.Audience):
		return refuse(WrongAudience, notForUs, "its audience is %.300s, and must contain %q", fmt.Sprintf("%.100q", c.audience), v.Audience)
	case !g.Expires.IsZero() && !now.Before(g.Expires.Add(leeway)):
		return refuse(Expired, "the token expired at "+clock(g.Expires), "it expired %v ago, at %s%s",
			now.Sub(g.Expires).Round(time.Second), clock(g.Expires), g.whose())
	case now.Before(c.notBefore.Add(-leeway)):
		return refuse(NotYetValid, "the token is not valid before "+clock(c.notBefore), "it is not valid before %s, in %v (nbf)%s",
			clock(c.notBefore), c.notBefore.Sub(now).Round(time.Second), g.whose())
	case now.Before(g.IssuedAt.Add(-leeway)):
		return refuse(NotYetValid, "the token was issued in the future", "it was issued in the future, at %s, in %v (iat): the clock of the issuer or of this machine is wrong%s",
			clock(g.IssuedAt), g.IssuedAt.Sub(now).Round(time.Second), g.whose())
	case v.MaxLife == 0:
		return nil
	case g.Expires.IsZero() || g.IssuedAt.IsZero():
		return refuse(BadClaims, wrongClaims, "it must have iat and exp, at most %v apart%s", v.MaxLife, g.whose())
	case g.Expires.Sub(g.IssuedAt) > v.MaxLife:
		return refuse(BadClaims, wrongClaims, "its lifetime is %v; the limit is %v%s", g.Expires.Sub(g.IssuedAt), v.MaxLife, g.whose())
	}
	return nil
}

// whose returns the end of a refusal that names the subject.
func (g *Grant) whose() string {
	if g.Subject == "" {
		return ""
	}
	return fmt.Sprintf("; its subject is %q", g.Subject)
}

// grantOf returns the grant of a token that passed all checks. A stream ends at exp. A token that is accepted within the leeway
// after exp is good until the leeway ends; otherwise its stream would end at once and the client would reconnect in a loop.
func (v *Verifier) grantOf(t *parts, c *claims, now time.Time) Grant {
	g := c.grant
	g.Credential = t.credential()
	if !g.Expires.IsZero() && !now.Before(g.Expires) {
		g.Expires = g.Expires.Add(v.leeway())
	}
	return g
}
