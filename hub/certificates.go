package hub

import (
	"fmt"
	"time"
)

// Certificate is the state of a certificate of the server in front of a hub.
type Certificate struct {
	Name      string    `json:"name"`                // a domain
	NotBefore time.Time `json:"not_before,omitzero"` // zero: there is no certificate yet
	NotAfter  time.Time `json:"not_after,omitzero"`
	Failing   bool      `json:"failing"` // the last attempt to get or to replace it failed
}

// warning returns what is wrong with the certificate, "" if nothing is. Every client may read it.
func (c *Certificate) warning(now time.Time) string {
	const cause = "; the log messages of the hub have the cause"
	switch {
	case c.NotAfter.IsZero() && c.Failing:
		return fmt.Sprintf("there is no certificate for %q, and the last attempt to get one failed%s", c.Name, cause)
	case c.NotAfter.IsZero():
		return fmt.Sprintf("there is no certificate for %q yet", c.Name)
	case !now.Before(c.NotAfter) && c.Failing:
		return fmt.Sprintf("the certificate for %q has expired at %s, and the last attempt to replace it failed%s", c.Name, c.NotAfter.UTC().Format(time.RFC3339), cause)
	case !now.Before(c.NotAfter):
		return fmt.Sprintf("the certificate for %q has expired at %s; clients refuse it until it is replaced", c.Name, c.NotAfter.UTC().Format(time.RFC3339))
	case now.Before(c.NotBefore):
		return fmt.Sprintf("the certificate for %q is not valid before %s, or the clock of the hub is wrong", c.Name, c.NotBefore.UTC().Format(time.RFC3339))
	case c.Failing:
		return fmt.Sprintf("the certificate for %q expires at %s, and the last attempt to replace it failed%s", c.Name, c.NotAfter.UTC().Format(time.RFC3339), cause)
	}
	return ""
}

// warnings returns what is wrong with the server although it is ready.
func (h *Hub) warnings() (all []string) {
	for _, c := range h.certificates() {
		if text := c.warning(time.Now()); text != "" {
			all = append(all, text)
		}
	}
	return all
}

// certificates returns the state of the certificates, as the program of the hub knows it.
func (h *Hub) certificates() []Certificate {
	if h.opts.Certificates == nil {
		return nil
	}
	return h.opts.Certificates()
}
