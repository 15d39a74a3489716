// Package deploy checks the files with which hubs are deployed. It is a module of its own, because the types of Kubernetes are large.
package deploy

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	yamldocs "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// manifest is the content of a file for kubectl.
type manifest struct {
	services []core.Service
	set      apps.StatefulSet
	budget   policy.PodDisruptionBudget
	network  networking.NetworkPolicy
	config   core.ConfigMap
	ingress  networking.Ingress
	monitor  monitor
	rules    alerts
}

// read parses a file for kubectl. It refuses unknown and repeated fields.
func read(t *testing.T, path string) *manifest {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	m := &manifest{}
	for docs := yamldocs.NewYAMLReader(bufio.NewReader(bytes.NewReader(text))); ; {
		doc, err := docs.Read()
		if errors.Is(err, io.EOF) {
			return m
		} else if err != nil {
			t.Fatal(err)
		}
		var kind meta.TypeMeta
		if err := yaml.Unmarshal(doc, &kind); err != nil {
			t.Fatal(err)
		}
		var into any
		switch kind.APIVersion + " " + kind.Kind {
		case "v1 Service":
			m.services = append(m.services, core.Service{})
			into = &m.services[len(m.services)-1]
		case "apps/v1 StatefulSet":
			into = &m.set
		case "policy/v1 PodDisruptionBudget":
			into = &m.budget
		case "networking.k8s.io/v1 NetworkPolicy":
			into = &m.network
		case "v1 ConfigMap":
			into = &m.config
		case "networking.k8s.io/v1 Ingress":
			into = &m.ingress
		case "monitoring.coreos.com/v1 ServiceMonitor":
			into = &m.monitor
		case "monitoring.coreos.com/v1 PrometheusRule":
			into = &m.rules
		case " ": // comments only
			continue
		default:
			t.Fatalf("%s has an unexpected %s %s", path, kind.APIVersion, kind.Kind)
		}
		if err := yaml.UnmarshalStrict(doc, into); err != nil {
			t.Errorf("%s: %s: %v", path, kind.Kind, err)
		}
	}
}

// clusters are the files of this folder for a cluster of hubs: the one to copy, and what the chart makes.
var clusters = []string{"kubernetes/tidings.yaml", "helm/rendered/cluster.yaml", "helm/rendered/all.yaml"}

func TestManifestsAreWhatKubernetesKnows(t *testing.T) {
	for _, path := range append(clusters, "helm/rendered/single.yaml") {
		m := read(t, path)
		if len(m.services) != 2 || m.set.Name == "" || m.network.Name == "" {
			t.Fatalf("%s: a part is missing: %+v", path, m)
		}
		pod := m.set.Spec.Template
		selectors := map[string]map[string]string{
			"the stateful set": m.set.Spec.Selector.MatchLabels, "the network policy": m.network.Spec.PodSelector.MatchLabels,
			"service 0": m.services[0].Spec.Selector, "service 1": m.services[1].Spec.Selector,
		}
		if m.budget.Name != "" {
			selectors["the budget"] = m.budget.Spec.Selector.MatchLabels
		}
		for what, selector := range selectors {
			if len(selector) == 0 {
				t.Errorf("%s: %s selects every pod", path, what)
			}
			for name, value := range selector {
				if pod.Labels[name] != value {
					t.Errorf("%s: %s selects %s=%s, which the pods do not have", path, what, name, value)
				}
			}
		}
		ports := map[string]bool{}
		for _, port := range pod.Spec.Containers[0].Ports {
			ports[port.Name] = true
		}
		for _, service := range m.services {
			for _, port := range service.Spec.Ports {
				if !ports[port.TargetPort.StrVal] {
					t.Errorf("%s: service %s wants port %q, which the pods do not have", path, service.Name, port.TargetPort.StrVal)
				}
			}
		}
	}
}

// TestHubsListenForOtherMachines: --addr=:8080 is localhost, and no probe reached the hub.
func TestHubsListenForOtherMachines(t *testing.T) {
	for _, path := range append(clusters, "helm/rendered/single.yaml") {
		host, _, err := net.SplitHostPort(flag(read(t, path).set.Spec.Template.Spec.Containers[0].Args, "addr"))
		if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsUnspecified() {
			t.Errorf("%s: a hub listens on %q, %v", path, host, err)
		}
	}
}

// TestHubsOfTheManifestsCanFormACluster: a cluster whose hubs wait for each other's readiness never starts.
func TestHubsOfTheManifestsCanFormACluster(t *testing.T) {
	for _, path := range clusters {
		m := read(t, path)
		hubs := m.services[slices.IndexFunc(m.services, func(s core.Service) bool { return s.Name == m.set.Spec.ServiceName })]
		if hubs.Spec.ClusterIP != core.ClusterIPNone || !hubs.Spec.PublishNotReadyAddresses {
			t.Errorf("%s: the hubs do not find each other before they are ready: %+v", path, hubs.Spec)
		}
		if m.set.Spec.PodManagementPolicy != apps.ParallelPodManagement {
			t.Errorf("%s: the second hub would wait for the first to be ready: %s", path, m.set.Spec.PodManagementPolicy)
		}
		if got := m.budget.Spec.MaxUnavailable.IntValue(); got != 1 {
			t.Errorf("%s: %d hubs may be stopped at once", path, got)
		}
		peers := peersOf(flag(m.set.Spec.Template.Spec.Containers[0].Args, "cluster-peers"))
		if len(peers) != int(*m.set.Spec.Replicas) {
			t.Errorf("%s: %d peers for %d replicas", path, len(peers), *m.set.Spec.Replicas)
		}
		for i, peer := range peers {
			if want := fmt.Sprintf("%s-%d.%s", m.set.Name, i, hubs.Name); strings.TrimSuffix(peer, ":4248") != want {
				t.Errorf("%s: peer %d is %s, and the pod's name is %s", path, i, peer, want)
			}
		}
		if grace := *m.set.Spec.Template.Spec.TerminationGracePeriodSeconds; grace < 30 {
			t.Errorf("%s: a hub has %d s to drain", path, grace)
		}
	}
}

// peersOf returns the peers in a list of them, in which {0..2} stands for three.
func peersOf(list string) []string {
	before, rest, ok := strings.Cut(list, "{0..")
	last, after, _ := strings.Cut(rest, "}")
	n, err := strconv.Atoi(last)
	if !ok || err != nil {
		return strings.Split(list, ",")
	}
	var peers []string
	for i := range n + 1 {
		peers = append(peers, before+strconv.Itoa(i)+after)
	}
	return peers
}

// settings are the names of the settings of tidings serve.
func settings(t *testing.T) map[string]bool {
	t.Helper()
	page, err := os.ReadFile("../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, match := range regexp.MustCompile("(?m)^\\| `([a-z0-9-]+)` \\|").FindAllStringSubmatch(string(page), -1) {
		names[match[1]] = true
	}
	if len(names) < 30 {
		t.Fatalf("docs/configuration.md has only %d settings", len(names))
	}
	return names
}

// TestArgumentsOfTheManifestsAreFlagsOfServe: tidings serve accepts them.
func TestArgumentsOfTheManifestsAreFlagsOfServe(t *testing.T) {
	known := settings(t)
	known["config"] = true
	for _, path := range append(clusters, "helm/rendered/single.yaml") {
		m := read(t, path)
		args := m.set.Spec.Template.Spec.Containers[0].Args
		if args[0] != "serve" {
			t.Errorf("%s: the command is %q", path, args[0])
		}
		for _, arg := range args[1:] {
			if name, _, ok := strings.Cut(strings.TrimPrefix(arg, "--"), "="); !ok || !known[name] {
				t.Errorf("%s: %s is no setting in docs/configuration.md", path, arg)
			}
		}
		var config map[string]any
		if err := yaml.UnmarshalStrict([]byte(m.config.Data["hub.yaml"]), &config); err != nil {
			t.Errorf("%s: hub.yaml: %v", path, err)
		}
		for name := range config {
			if !known[name] {
				t.Errorf("%s: hub.yaml: %s is no setting in docs/configuration.md", path, name)
			}
		}
	}
}

// flag returns the value of a flag.
func flag(args []string, name string) string {
	for _, arg := range args {
		if value, ok := strings.CutPrefix(arg, "--"+name+"="); ok {
			return value
		}
	}
	return ""
}
