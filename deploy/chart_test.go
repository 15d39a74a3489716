package deploy

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	core "k8s.io/api/core/v1"
)

// TestRenderedChartsAreThoseOfTheChart: make charts lints and renders the chart and runs the tests of chart_helm_test.go, which needs Helm. Here
// only its output is read, so the output must be that of the files as they are.
func TestRenderedChartsAreThoseOfTheChart(t *testing.T) {
	want, err := os.ReadFile("helm/rendered/SHA256")
	if err != nil {
		t.Fatal(err)
	}
	if got := digest(t, "chart_helm_test.go", "chart_helm_values_test.go", "helm/tidings", "helm/values"); got != strings.TrimSpace(string(want)) {
		t.Errorf("the chart has changed: call make charts, and look at the difference in deploy/helm/rendered\nhave %s, want %s", want, got)
	}
}

// digest returns a checksum of some files, and of all files below some folders.
func digest(t *testing.T, folders ...string) string {
	t.Helper()
	sum := sha256.New()
	for _, folder := range folders {
		err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := os.ReadFile(path)
			of := sha256.Sum256(text)
			sum.Write([]byte(hex.EncodeToString(of[:]) + "  " + filepath.ToSlash(path) + "\n")) // as sha256sum prints it
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// TestSingleHubNeedsNoOtherHub: neither flags nor ports of a cluster, nor a budget that would keep a node from being drained.
func TestSingleHubNeedsNoOtherHub(t *testing.T) {
	m := read(t, "helm/rendered/single.yaml")
	container := m.set.Spec.Template.Spec.Containers[0]
	if *m.set.Spec.Replicas != 1 || m.budget.Name != "" || len(container.Ports) != 1 || strings.Contains(strings.Join(container.Args, " "), "cluster") {
		t.Errorf("%d replicas, budget %q, %+v", *m.set.Spec.Replicas, m.budget.Name, container)
	}
	if len(m.set.Spec.VolumeClaimTemplates) != 1 {
		t.Error("the hub has no volume")
	}
}

// TestPodsOfTheChartHaveNoPrivileges, as the restricted standard of Kubernetes wants it.
func TestPodsOfTheChartHaveNoPrivileges(t *testing.T) {
	for _, path := range []string{"helm/rendered/single.yaml", "helm/rendered/cluster.yaml"} {
		spec := read(t, path).set.Spec.Template.Spec
		pod, container := spec.SecurityContext, spec.Containers[0].SecurityContext
		if !*pod.RunAsNonRoot || pod.SeccompProfile == nil || *container.AllowPrivilegeEscalation || !*container.ReadOnlyRootFilesystem || container.Capabilities.Drop[0] != "ALL" {
			t.Errorf("%s: %+v, %+v", path, pod, container)
		}
		if spec.Containers[0].LivenessProbe == nil || spec.Containers[0].ReadinessProbe == nil || spec.Containers[0].StartupProbe == nil {
			t.Errorf("%s: a probe is missing", path)
		}
	}
}

// TestEverythingOfTheChartIsRendered: with all of its values set.
func TestEverythingOfTheChartIsRendered(t *testing.T) {
	m := read(t, "helm/rendered/all.yaml")
	if m.ingress.Spec.Rules[0].Host != "events.example.com" || len(m.ingress.Spec.TLS) != 1 {
		t.Errorf("the ingress is %+v", m.ingress.Spec)
	}
	hubs := m.services[1]
	for name, value := range m.monitor.Spec.Selector.MatchLabels {
		if hubs.Labels[name] != value {
			t.Errorf("the monitor wants %s=%s, and the service has %q", name, value, hubs.Labels[name])
		}
	}
	if m.monitor.Spec.Endpoints[0].Authorization.Credentials.Key == "" || m.monitor.Spec.Endpoints[0].Port != hubs.Spec.Ports[0].Name {
		t.Errorf("the monitor has %+v", m.monitor.Spec.Endpoints)
	}
	if len(m.rules.Spec.Groups) == 0 || len(m.rules.Spec.Groups[0].Rules) < 5 {
		t.Errorf("the alerts are %+v", m.rules.Spec)
	}
	// Numbers of Helm are floating-point: 1000000 became 1e+06, which tidings serve refuses.
	if config := m.config.Data["hub.yaml"]; !strings.Contains(config, "topics-remembered: 2000000\n") {
		t.Errorf("hub.yaml is:\n%s", config)
	}
}

// TestValuesStayTheTextThatTheyAre: a wildcard was an alias of YAML, names of digits were numbers, and a large number was 2e+06.
func TestValuesStayTheTextThatTheyAre(t *testing.T) {
	m := read(t, "helm/rendered/odd.yaml") // read refuses other types
	if host := m.ingress.Spec.Rules[0].Host; host != "*.example.com" || m.ingress.Spec.TLS[0].Hosts[0] != host || m.ingress.Spec.TLS[0].SecretName != "1e3" {
		t.Errorf("the ingress is %+v", m.ingress.Spec)
	}
	if got := *m.ingress.Spec.IngressClassName + " " + m.ingress.Annotations["example.com/b"]; got != "on 0x1f" {
		t.Errorf("the class and annotation of the ingress are %q", got)
	}
	spec := m.set.Spec.Template.Spec
	if got := m.set.Labels["app.kubernetes.io/instance"]; got != "123" {
		t.Errorf("the release is %q", got)
	}
	if *spec.TerminationGracePeriodSeconds != 2000000 || spec.Volumes[1].Secret.SecretName != "123" || spec.ImagePullSecrets[0].Name != "0123" {
		t.Errorf("the pod is %+v", spec)
	}
	if env := spec.Containers[0].Env; env[2].Name != "ON" || env[2].Value != "on" || env[3].Value != "1" {
		t.Errorf("the environment is %+v", env)
	}
	if claim := m.set.Spec.VolumeClaimTemplates[0].Spec; *claim.StorageClassName != "true" || claim.Resources.Requests.Storage().Value() != 10 {
		t.Errorf("the volume is %+v", claim)
	}
	if config := m.config.Data["hub.yaml"]; !strings.Contains(config, "'*'") || !strings.Contains(config, "public: \"on\"\n") {
		t.Errorf("hub.yaml is:\n%s", config)
	}
}

// TestImageOfADigestIsPinned: the digest was accepted and ignored.
func TestImageOfADigestIsPinned(t *testing.T) {
	const want = "123@sha256:0123456789012345678901234567890123456789012345678901234567890123"
	if got := read(t, "helm/rendered/odd.yaml").set.Spec.Template.Spec.Containers[0].Image; got != want {
		t.Errorf("the image is %s, want %s", got, want)
	}
}

// TestChartPassesWhatKubernetesNeeds: ports and traffic of services, where pods run, and more volumes, as they are in the values.
func TestChartPassesWhatKubernetesNeeds(t *testing.T) {
	m := read(t, "helm/rendered/all.yaml")
	service := m.services[0].Spec
	if service.ExternalTrafficPolicy != core.ServiceExternalTrafficPolicyLocal || service.Ports[0].NodePort != 30080 || service.Ports[0].Port != 8000 {
		t.Errorf("the service is %+v", service)
	}
	if hubs := m.services[1].Spec; hubs.ExternalTrafficPolicy != "" || hubs.Ports[0].NodePort != 0 {
		t.Errorf("the service without an address is %+v", hubs)
	}
	spec := m.set.Spec.Template.Spec
	if a := spec.Affinity; a == nil || a.PodAntiAffinity == nil || len(a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution) != 1 ||
		len(a.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution) != 0 {
		t.Errorf("the affinity is %+v", a)
	}
	volume := spec.Volumes[len(spec.Volumes)-1]
	mounts := spec.Containers[0].VolumeMounts
	if mount := mounts[len(mounts)-1]; volume.Name != "ca" || volume.ConfigMap.Name != "our-ca" || mount.Name != "ca" || mount.MountPath != "/ca" || !mount.ReadOnly {
		t.Errorf("the volume is %+v, at %+v", volume, mount)
	}
	if a := read(t, "helm/rendered/cluster.yaml").set.Spec.Template.Spec.Affinity; len(a.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution) != 1 {
		t.Errorf("without a value, the affinity of a cluster is %+v", a)
	}
}
