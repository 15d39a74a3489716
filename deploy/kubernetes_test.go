// Package deploy checks the files with which hubs are deployed. It is a module of its own, because the types of Kubernetes are large.
package deploy

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
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

func TestManifestOfTheClusterIsWhatKubernetesKnows(t *testing.T) {
	m := read(t, "kubernetes/tidings.yaml")
	if len(m.services) != 2 || m.set.Name == "" || m.budget.Name == "" || m.network.Name == "" {
		t.Fatalf("a part is missing: %+v", m)
	}
	pod := m.set.Spec.Template
	for what, selector := range map[string]map[string]string{
		"the stateful set": m.set.Spec.Selector.MatchLabels, "the budget": m.budget.Spec.Selector.MatchLabels,
		"the network policy": m.network.Spec.PodSelector.MatchLabels, "service 0": m.services[0].Spec.Selector, "service 1": m.services[1].Spec.Selector,
	} {
		for name, value := range selector {
			if pod.Labels[name] != value {
				t.Errorf("%s selects %s=%s, which the pods do not have", what, name, value)
			}
		}
	}
}

// TestHubsOfTheManifestCanFormACluster: a cluster whose hubs wait for each other's readiness never starts.
func TestHubsOfTheManifestCanFormACluster(t *testing.T) {
	m := read(t, "kubernetes/tidings.yaml")
	hubs := m.services[slices.IndexFunc(m.services, func(s core.Service) bool { return s.Name == m.set.Spec.ServiceName })]
	if hubs.Spec.ClusterIP != core.ClusterIPNone || !hubs.Spec.PublishNotReadyAddresses {
		t.Errorf("the hubs do not find each other before they are ready: %+v", hubs.Spec)
	}
	if m.set.Spec.PodManagementPolicy != apps.ParallelPodManagement {
		t.Errorf("the second hub would wait for the first to be ready: %s", m.set.Spec.PodManagementPolicy)
	}
	if got := m.budget.Spec.MaxUnavailable.IntValue(); got != 1 {
		t.Errorf("%d hubs may be stopped at once", got)
	}
	args := m.set.Spec.Template.Spec.Containers[0].Args
	if peers := strings.Split(flag(args, "cluster-peers"), ","); len(peers) != int(*m.set.Spec.Replicas) {
		t.Errorf("%d peers for %d replicas", len(peers), *m.set.Spec.Replicas)
	} else {
		for i, peer := range peers {
			if want := m.set.Name + "-" + string(rune('0'+i)) + "." + hubs.Name + ":4248"; peer != want {
				t.Errorf("peer %d is %s, and the pod's name is %s", i, peer, want)
			}
		}
	}
	if grace := *m.set.Spec.Template.Spec.TerminationGracePeriodSeconds; grace < 30 {
		t.Errorf("a hub has %d s to drain", grace)
	}
}

// TestArgumentsOfTheManifestAreFlagsOfServe: tidings serve accepts them.
func TestArgumentsOfTheManifestAreFlagsOfServe(t *testing.T) {
	page, err := os.ReadFile("../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	args := read(t, "kubernetes/tidings.yaml").set.Spec.Template.Spec.Containers[0].Args
	if args[0] != "serve" {
		t.Errorf("the command is %q", args[0])
	}
	for _, arg := range args[1:] {
		name, _, ok := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		if !ok || !strings.Contains(string(page), "| `"+name+"` |") {
			t.Errorf("%s is no setting in docs/configuration.md", arg)
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
