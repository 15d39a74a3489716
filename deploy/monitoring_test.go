package deploy

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// monitor is a ServiceMonitor of Prometheus's operator, as far as the chart uses it.
type monitor struct {
	meta.TypeMeta   `json:",inline"`
	meta.ObjectMeta `json:"metadata"`
	Spec            struct {
		Selector  meta.LabelSelector `json:"selector"`
		Endpoints []struct {
			Port          string `json:"port"`
			Path          string `json:"path"`
			Interval      string `json:"interval"`
			Authorization struct {
				Type        string                     `json:"type"`
				Credentials struct{ Name, Key string } `json:"credentials"`
			} `json:"authorization"`
		} `json:"endpoints"`
	} `json:"spec"`
}

// alerts is a PrometheusRule. Its spec is a file of rules.
type alerts struct {
	meta.TypeMeta   `json:",inline"`
	meta.ObjectMeta `json:"metadata"`
	Spec            ruleFile `json:"spec"`
}

type ruleFile struct {
	Groups []struct {
		Name  string `json:"name"`
		Rules []struct {
			Alert       string            `json:"alert"`
			Expr        string            `json:"expr"`
			For         string            `json:"for"`
			Labels      map[string]string `json:"labels"`
			Annotations map[string]string `json:"annotations"`
		} `json:"rules"`
	} `json:"groups"`
}

// metrics returns the names of the metrics that exist: a test of package hub compares docs/operations.md with those of a running hub.
func metrics(t *testing.T) map[string]bool {
	t.Helper()
	page, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{
		"process_open_fds": true, "process_max_fds": true, "process_resident_memory_bytes": true, "process_cpu_seconds_total": true, // of every Go program
		"tidings_delivery_seconds_bucket": true, // of the histogram
	}
	for _, match := range regexp.MustCompile("`(tidings_\\w+)`").FindAllStringSubmatch(string(page), -1) {
		names[match[1]] = true
	}
	return names
}

var metricName = regexp.MustCompile(`\b(?:tidings|process|go)_\w+`)

// unknown returns the metrics in an expression that do not exist.
func unknown(expr string, exist map[string]bool) []string {
	return slices.DeleteFunc(metricName.FindAllString(expr, -1), func(name string) bool { return exist[name] })
}

func TestAlertsUseMetricsThatExist(t *testing.T) {
	text, err := os.ReadFile("prometheus/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file ruleFile
	if err := yaml.UnmarshalStrict(text, &file); err != nil {
		t.Fatal(err)
	}
	exist := metrics(t)
	for _, rule := range file.Groups[0].Rules {
		if names := unknown(rule.Expr, exist); len(names) > 0 || !metricName.MatchString(rule.Expr) {
			t.Errorf("%s uses %q, which no hub has: %s", rule.Alert, names, rule.Expr)
		}
		if rule.Annotations["summary"] == "" || rule.Annotations["description"] == "" || rule.Labels["severity"] == "" {
			t.Errorf("%s does not say what has happened, and what to do", rule.Alert)
		}
	}
	if inChart, err := os.ReadFile("helm/tidings/files/alerts.yaml"); err != nil || !bytes.Equal(text, inChart) {
		t.Errorf("the chart has other alerts: cp deploy/prometheus/alerts.yaml deploy/helm/tidings/files/: %v", err)
	}
}

func TestDashboardUsesMetricsThatExist(t *testing.T) {
	text, err := os.ReadFile("grafana/tidings.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			ID      int
			Title   string
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	exist, shown := metrics(t), map[string]bool{}
	taken := map[[2]int]string{}
	for _, panel := range board.Panels {
		for _, target := range panel.Targets {
			if names := unknown(target.Expr, exist); len(names) > 0 {
				t.Errorf("%q uses %q, which no hub has", panel.Title, names)
			}
			for _, name := range metricName.FindAllString(target.Expr, -1) {
				shown[name] = true
			}
		}
		for x := panel.GridPos.X; x < panel.GridPos.X+panel.GridPos.W; x++ {
			for y := panel.GridPos.Y; y < panel.GridPos.Y+panel.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("%q is where %q is", panel.Title, other)
				}
				taken[[2]int{x, y}] = panel.Title
			}
		}
	}
	if len(shown) < 20 {
		t.Errorf("the dashboard shows only %d metrics", len(shown))
	}
}

// TestMetricThatDoesNotExistIsNoticed shows that the tests above can fail.
func TestMetricThatDoesNotExistIsNoticed(t *testing.T) {
	if got := unknown(`rate(tidings_stream_total{job="x"}[5m]) / tidings_streams`, metrics(t)); len(got) != 1 || got[0] != "tidings_stream_total" {
		t.Errorf("%q", got)
	}
	if strings.Contains(strings.Join(unknown("tidings_ready", metrics(t)), ""), "ready") {
		t.Error("a metric that exists is not known")
	}
}
