package hub

import (
	"net/textproto"
	"testing"
)

// TestUsualFieldsAreNotThoseOfProxies: the table of usual names is a short cut, and changes no decision.
func TestUsualFieldsAreNotThoseOfProxies(t *testing.T) {
	t.Parallel()
	for name := range usualNames {
		if isOfProxies(name) || name != textproto.CanonicalMIMEHeaderKey(name) {
			t.Errorf("%q is a field of proxies, or is not spelled as in http.Header", name)
		}
	}
}
