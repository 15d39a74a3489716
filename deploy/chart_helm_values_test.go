//go:build helm

package deploy

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestHelmLeavesOutWhatANullRemoves: --set config.public=null removes that setting of an earlier file, and was refused. So was a key of which only
// comments are left.
func TestHelmLeavesOutWhatANullRemoves(t *testing.T) {
	base := filepath.Join(t.TempDir(), "base.yaml")
	if err := os.WriteFile(base, []byte(`
config: {public: a/**, addr: a, typo: b, max-age: 1h, origin: }
service: {annotations: {example.com/a: b}}
ingress: {enabled: true, host: a.example, annotations: {example.com/a: b, example.com/c: d}}
serviceMonitor: {enabled: true, labels: {a: b}}
prometheusRule: {enabled: true, labels: {a: b}}
podAnnotations: {a: b}
podLabels: {a: b}
nodeSelector: {a: b}
affinity: {nodeAffinity: {}}
resources: {requests: {example.com/a: 1}}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	const names = "config.public,config.addr,config.typo,service.annotations.example\\.com/a,ingress.annotations.example\\.com/a,serviceMonitor.labels.a,prometheusRule.labels.a," +
		"podAnnotations.a,podLabels.a,nodeSelector.a,affinity.nodeAffinity,resources.requests.example\\.com/a,resources.limits.memory,enabled,global,tags"
	path, complaint := helm(t, "hub", "-f", base, "--set", strings.ReplaceAll(names, ",", "=null,")+"=null")
	if complaint != "" {
		t.Fatal(complaint)
	}
	m := read(t, path)
	if got := m.config.Data["hub.yaml"]; got != "max-age: 1h\n" {
		t.Errorf("hub.yaml is:\n%s", got)
	}
	pod := m.set.Spec.Template
	for what, left := range map[string]map[string]string{
		"service": m.services[0].Annotations, "monitor": m.monitor.Labels, "rules": m.rules.Labels, "ingress": m.ingress.Annotations,
		"annotations": pod.Annotations, "labels": pod.Labels, "nodes": pod.Spec.NodeSelector,
	} {
		if _, still := left["a"]; still || left["example.com/a"] != "" {
			t.Errorf("%s: %v", what, left)
		}
	}
	if got := m.ingress.Annotations["example.com/c"]; got != "d" {
		t.Errorf("another annotation is %q", got)
	}
	if r := pod.Spec.Containers[0].Resources; len(r.Requests) != 2 || len(r.Limits) != 0 || pod.Spec.Affinity != nil {
		t.Errorf("the resources are %+v, and the affinity %+v", r, pod.Spec.Affinity)
	}
}

// TestHelmTakesTheChartAsADependency with the conditions, tags and global values of a parent chart: it was refused, because Helm puts the key of the
// condition below the values of the chart.
func TestHelmTakesTheChartAsADependency(t *testing.T) {
	parent := t.TempDir()
	if err := os.CopyFS(filepath.Join(parent, "charts", "tidings"), os.DirFS("helm/tidings")); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(parent, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("Chart.yaml", `
apiVersion: v2
name: parent
version: 1.0.0
dependencies:
  - {name: tidings, version: "*", condition: "first.enabled,tidings.enabled", tags: [events]}
  - {name: tidings, version: "*", alias: Second_Hub, condition: Second_Hub.enabled}
`)
	write("values.yaml", `
tags: {events: true, others: false}
global: {imageRegistry: registry.example}
tidings: {enabled: true, hubs: 3, config: {origin: , public: a}, global: {more: 1}, tags: {a: true}}
Second_Hub: {enabled: true, config: {public: b}}
`)
	rendered := func(flags ...string) *manifest {
		t.Helper()
		path, complaint := helmOf(t, parent, "hub", flags...)
		if complaint != "" {
			t.Fatalf("%v: %s", flags, complaint)
		}
		return read(t, path)
	}
	if m := rendered("--set", "Second_Hub.enabled=false"); *m.set.Spec.Replicas != 3 || m.config.Data["hub.yaml"] != "public: a\n" || m.set.Name != "hub-tidings" {
		t.Errorf("the chart has become %+v", m)
	}
	if m := rendered("--set", "tidings.enabled=false"); *m.set.Spec.Replicas != 1 || !strings.HasPrefix(m.set.Name, "tidings-hub-") || m.config.Data["hub.yaml"] != "public: b\n" {
		t.Errorf("under its alias, the chart has become %+v", m)
	}
	names := map[string]bool{}
	for _, service := range rendered().services {
		names[service.Name] = true
	}
	if len(names) != 4 {
		t.Errorf("two hubs have the services %v", slices.Collect(maps.Keys(names)))
	}
	if m := rendered("--set", "tidings.enabled=false,Second_Hub.enabled=false"); m.set.Name != "" {
		t.Errorf("without its conditions, there is %s", m.set.Name)
	}
	if m := rendered("--set", "first.enabled=true,tidings.enabled=false,Second_Hub.enabled=false"); m.set.Name == "" {
		t.Error("the first condition does not count")
	}
}
