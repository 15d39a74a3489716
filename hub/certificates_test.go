package hub_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/hub"
)

// TestReadyHubWarnsOfItsCertificate: a load balancer must still lead clients, and the CA, to a hub whose certificate is missing or cannot be renewed.
func TestReadyHubWarnsOfItsCertificate(t *testing.T) {
	t.Parallel()
	began := time.Now().Add(-time.Hour).Truncate(time.Second)
	later, past := time.Now().Add(time.Hour).Truncate(time.Second), time.Now().Add(-time.Minute).Truncate(time.Second)
	for name, test := range map[string]struct {
		certificate hub.Certificate
		warning     string
	}{
		"valid":               {hub.Certificate{NotBefore: began, NotAfter: later}, ""},
		"not there yet":       {hub.Certificate{}, `there is no certificate for \"hub.example.com\" yet`},
		"refused":             {hub.Certificate{Failing: true}, `there is no certificate for \"hub.example.com\", and the last attempt to get one failed`},
		"cannot be renewed":   {hub.Certificate{NotBefore: began, NotAfter: later, Failing: true}, "expires at " + later.UTC().Format(time.RFC3339) + ", and the last attempt to replace it failed"},
		"expired":             {hub.Certificate{NotBefore: began, NotAfter: past}, "has expired at " + past.UTC().Format(time.RFC3339) + "; clients refuse it until it is replaced"},
		"expired and refused": {hub.Certificate{NotBefore: began, NotAfter: past, Failing: true}, "has expired at " + past.UTC().Format(time.RFC3339) + ", and the last attempt to replace it failed"},
		"not valid yet":       {hub.Certificate{NotBefore: later, NotAfter: later.Add(time.Hour)}, "is not valid before " + later.UTC().Format(time.RFC3339)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := test.certificate
			c.Name = "hub.example.com"
			k := serveKeyed(t, mustMemory(t, nil), hub.Options{Certificates: func() []hub.Certificate { return []hub.Certificate{c} }}, transports[0])
			a := k.send(request{path: "/readyz"})
			if warned := strings.Contains(a.body, "warnings"); a.status != http.StatusOK || warned != (test.warning != "") || !strings.Contains(a.body, test.warning) {
				t.Errorf("%d %s, want 200 with %q", a.status, a.body, test.warning)
			}
			failing := 0
			if c.Failing {
				failing = 1
			}
			lines := []string{fmt.Sprintf(`tidings_certificate_failing{name="hub.example.com"} %d`, failing)}
			metrics := k.metricsOf()
			if c.NotAfter.IsZero() == strings.Contains(metrics, "tidings_certificate_not_after_seconds{") {
				t.Errorf("the time of expiry is wrong: %s", metrics)
			}
			if !c.NotAfter.IsZero() {
				lines = append(lines, fmt.Sprintf(`tidings_certificate_not_after_seconds{name="hub.example.com"} %s`, prometheusNumber(c.NotAfter)))
			}
			k.awaitMetrics(lines...)
			if a := k.send(request{path: "/api/v1/stats", header: bearer(k.token(all("boss")))}); !strings.Contains(a.body, `"certificates":[{"name":"hub.example.com",`) {
				t.Errorf("the statistics are %s", a.body)
			}
		})
	}
}

// prometheusNumber returns a time as Prometheus writes it.
func prometheusNumber(at time.Time) string {
	return strconv.FormatFloat(float64(at.Unix()), 'g', -1, 64)
}
