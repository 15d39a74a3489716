package acme

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/caddyserver/certmagic"
	"golang.org/x/net/idna"
)

// names turns names into the form that certificates have: lower case, and Punycode for other letters than ASCII's.
var names = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(true), idna.VerifyDNSLength(true))

// Domain returns a domain in the form that certificates have. It returns an error that says what to do if no certificate can be had for it.
func Domain(text string) (string, error) {
	host, port, splitErr := net.SplitHostPort(text)
	ip, ipErr := netip.ParseAddr(strings.Trim(text, "[]"))
	switch {
	case text == "":
		return "", errors.New("the domain is empty; write a name such as hub.example.com")
	case strings.Contains(text, "://"):
		return "", fmt.Errorf("%q is a URL; write only its name, such as hub.example.com", text)
	case ipErr == nil:
		return "", fmt.Errorf("%s is an IP address, and certificates are for names; write the name that leads to it", ip)
	case splitErr == nil && port != "":
		return "", fmt.Errorf("%q has a port; certificates hold for all ports, so write %s", text, host)
	case strings.Contains(text, "*"):
		return "", fmt.Errorf("%q: wildcards need a challenge over DNS, which is not available; list each name, or get the certificate with another program", text)
	case strings.ContainsAny(text, "/, "):
		return "", fmt.Errorf("%q is not one name such as hub.example.com", text)
	}
	domain, err := names.ToASCII(strings.TrimSuffix(text, "."))
	if err != nil {
		return "", fmt.Errorf("%q is not the name of a host, such as hub.example.com", text)
	}
	return domain, nil
}

// Public reports whether a CA that browsers trust can issue a certificate for a domain: not for localhost, a single word, or names that are reserved
// for local networks, such as hub.internal.
func Public(domain string) bool {
	return certmagic.SubjectQualifiesForPublicCert(domain) && strings.Contains(domain, ".") && !certmagic.SubjectIsInternal(domain)
}
