//go:build helm

package deploy

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// These tests call Helm, the program in $HELM: make charts runs them.

// helm renders the chart for a release with --set and other flags. It returns what Helm complains about, and the file if there is nothing.
func helm(t *testing.T, release string, flags ...string) (path, complaint string) {
	t.Helper()
	return helmOf(t, "helm/tidings", release, flags...)
}

// helmOf renders any chart.
func helmOf(t *testing.T, chart, release string, flags ...string) (path, complaint string) {
	t.Helper()
	cmd := exec.Command(cmp.Or(os.Getenv("HELM"), "helm"), append([]string{"template", release, chart}, flags...)...)
	var out, errors strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errors
	if cmd.Run() != nil {
		return "", cmp.Or(errors.String(), "Helm says nothing")
	}
	path = filepath.Join(t.TempDir(), "rendered.yaml")
	if err := os.WriteFile(path, []byte(out.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, ""
}

// TestHelmRefusesValuesThatHaveNoEffect, or with which the hubs would not work, and says why.
func TestHelmRefusesValuesThatHaveNoEffect(t *testing.T) {
	const itself, plain = "itself", "the hubs of this chart speak HTTP"
	for flag, want := range map[string]string{
		"config.addr=1.2.3.4:5":                                     "config.addr: the chart sets addr itself, because its probes, services and volumes need it; remove it",
		"config.data=/x":                                            itself,
		"config.memory=true":                                        itself,
		"config.key-file=/x":                                        itself,
		"config.drain-delay=1s":                                     itself,
		"config.cluster-peers=a":                                    itself,
		"config.cluster-listen=:1":                                  itself,
		"hubs=3,config.cluster-name=a":                              itself,
		"hubs=3,config.cluster-key-file=/x":                         itself,
		"hubs=3,config.cluster-url=http://x":                        itself,
		"hubs=3,config.redis=redis://x":                             itself,
		"hubs=3,config.nats=nats://x":                               itself,
		"env[0].name=TIDINGS_ADDR,env[0].value=x":                   "TIDINGS_ADDR in env: the chart sets addr itself",
		"env[0].name=TIDINGS_CONFIG,env[0].value=x":                 itself,
		"env[0].name=POD,env[0].value=x":                            "POD in env: the chart sets it",
		"env[0].name=GOMEMLIMIT,env[0].value=1GiB":                  "the chart sets it from goMemoryLimit",
		"config.tls-cert=/x":                                        "config.tls-cert: " + plain,
		"config.tls-key=/x":                                         plain,
		"config.acme-domain=hub.example.com":                        plain,
		"config.acme-dir=/data/acme":                                plain,
		"config.http-addr=:80":                                      plain,
		"env[0].name=TIDINGS_TLS_CERT":                              "TIDINGS_TLS_CERT in env: " + plain,
		"env[0].name=TIDINGS_ACME_DOMAIN":                           plain,
		"podLabels.app\\.kubernetes\\.io/name=x":                    "podLabels: the chart sets the label app.kubernetes.io/name itself",
		"serviceMonitor.labels.helm\\.sh/chart=x":                   "serviceMonitor.labels: the chart sets the label helm.sh/chart itself",
		"podAnnotations.checksum/config=x":                          "the chart sets the annotation checksum/config itself",
		"ingress.enabled=true":                                      "ingress.host is empty",
		"serviceMonitor.enabled=true,config.admin-addr=localhost:1": "has no administration with admin-addr",

		"config.no-console=true":                                                     "config.no-console: tidings serve has no such setting; docs/configuration.md has them all",
		"config.TLS_CERT=x":                                                          "config.TLS_CERT: tidings serve has no such setting; write tls-cert",
		"config.config=x":                                                            "no such setting",
		"config.public={a,b},config.max-event={1MB}":                                 "config.max-event: this setting takes one value, not a list",
		"env[0].name=TIDINGS_PUBLC,env[0].value=a":                                   "TIDINGS_PUBLC in env: no command of tidings reads this variable",
		"env[0].name=TIDINGS_public,env[0].value=a":                                  "no command of tidings reads this variable",
		"service.nodePort=30080":                                                     "service.nodePort: a service of the type ClusterIP has none",
		"service.externalTrafficPolicy=Local":                                        "service.externalTrafficPolicy: a service of the type ClusterIP has none",
		"extraVolumes[0].name=data,extraVolumes[0].emptyDir.medium=":                 "extraVolumes: there is a volume \"data\" already",
		"extraVolumeMounts[0].name=a,extraVolumeMounts[0].mountPath=/a":              "there is no volume \"a\"",
		"extraVolumeMounts[0].name=secrets,extraVolumeMounts[0].mountPath=/secrets/": "there is a volume at /secrets/ already",
		"enabled=false":                                                              "enabled: only a chart that has this one as a dependency",

		"image.digest=abc":                 "/image/digest",
		"image.sha=abc":                    "/image'",
		"image.tag=1":                      "/image/tag",
		"image.tag=a b":                    "/image/tag",
		"image.repository=":                "/image/repository",
		"image.pullPolicy=Sometimes":       "/image/pullPolicy",
		"hubs=2":                           "/hubs",
		"hubs=0":                           "/hubs",
		"secret=1":                         "/secret",
		"secret=":                          "/secret",
		"secret=A_b":                       "/secret",
		"config.public.a=b":                "/config/public",
		"env[0].name=A,env[0].value=1":     "/env/0/value",
		"env[0].value=b":                   "/env/0",
		"env.A=b":                          "/env",
		"imagePullSecrets[0]=a":            "/imagePullSecrets/0",
		"storage.className=-":              "/storage/className",
		"storage.size=much":                "/storage/size",
		"resources.limit.memory=1Gi":       "/resources",
		"resources.limits.memory=x":        "/resources/limits/memory",
		"goMemoryLimit=1G":                 "/goMemoryLimit",
		"goMemoryLimit=1000":               "/goMemoryLimit",
		"service.type=Bogus":               "/service/type",
		"service.port=99999":               "/service/port",
		"service.port=http":                "/service/port",
		"service.annotations.x=true":       "/service/annotations/x",
		"ingress.enabled=yes":              "/ingress/enabled",
		"ingress.host=*":                   "/ingress/host",
		"ingress.host=192.0.2.1":           "/ingress/host",
		"ingress.host=https://a.b":         "/ingress/host",
		"ingress.host=a.*.b":               "/ingress/host",
		"ingress.tlsSecret=a b":            "/ingress/tlsSecret",
		"ingress.className=a b":            "/ingress/className",
		"ingress.annotations.a=1":          "/ingress/annotations/a",
		"serviceMonitor.interval=30":       "/serviceMonitor/interval",
		"serviceMonitor.labels.a=1":        "/serviceMonitor/labels/a",
		"prometheusRule.labels.a=1":        "/prometheusRule/labels/a",
		"terminationGracePeriodSeconds=10": "/terminationGracePeriodSeconds",
		"podAnnotations.a=1":               "/podAnnotations/a",
		"podLabels.a=true":                 "/podLabels/a",
		"nodeSelector.a=1":                 "/nodeSelector/a",
		"tolerations[0].Key=a":             "/tolerations/0",
		"tolerations[0].effect=No":         "/tolerations/0/effect",
		"hubs=null":                        "missing property 'hubs'",
		"service.port=null":                "missing property 'port'",
		"image.repository=null":            "missing property 'repository'",
		"storage.size=null":                "missing property 'size'",
		"serviceMonitor=null":              "missing property 'serviceMonitor'",
		"service.nodePort=http":            "/service/nodePort",
		"service.nodePort=70000":           "/service/nodePort",
		"service.externalTrafficPolicy=A":  "/service/externalTrafficPolicy",
		"affinity.nodeAffinty.a=b":         "/affinity",
		"extraVolumes[0].name=a":           "/extraVolumes/0",
		"extraVolumeMounts[0].name=a":      "/extraVolumeMounts/0",
		"config.origin={a,null}":           "/config/origin/1",
		"enabled=yes":                      "/enabled",
		"unknown=1":                        "unknown",
	} {
		if _, complaint := helm(t, "hub", "--set", flag); !strings.Contains(complaint, want) {
			t.Errorf("--set %s: %q, want %q", flag, complaint, want)
		}
	}
}

// TestHelmAcceptsWhatTheRefusedValuesMean: the same things in the way in which the chart takes them.
func TestHelmAcceptsWhatTheRefusedValuesMean(t *testing.T) {
	for _, flag := range []string{
		"ingress.enabled=true,ingress.host=*.example.com,ingress.tlsSecret=a", "ingress.enabled=true,ingress.host=events", "config.admin-addr=localhost:1",
		"config.redis=redis://x,config.cluster-name=a", "env[0].name=TIDINGS_KEY,env[0].valueFrom.secretKeyRef.name=a,env[0].valueFrom.secretKeyRef.key=b",
		"env[0].name=TIDINGS_PUBLIC,env[0].value=news/**", "storage.size=0.5Ti", "storage.size=1e12", "resources.limits.cpu=2", "goMemoryLimit=off",
		"service.type=NodePort", "image.tag=v1", "service.type=NodePort,service.nodePort=", "config.key-env=TIDINGS_OTHER,env[0].name=TIDINGS_OTHER,env[0].value=x",
		"env[0].name=TIDINGS_KEY_ENV,env[0].value=TIDINGS_OTHER,env[1].name=TIDINGS_OTHER,env[1].value=x", "extraVolumeMounts[0].name=secrets,extraVolumeMounts[0].mountPath=/data/s", "hubs=5,config.h2c=true",
	} {
		if path, complaint := helm(t, "hub", "--set", flag); complaint != "" {
			t.Errorf("--set %s: %s", flag, complaint)
		} else {
			read(t, path)
		}
	}
	// A value of which only comments are left is null in YAML.
	path, complaint := helm(t, "hub", "--set", "config=null,env=null,resources=null,podLabels=null,podAnnotations=null,nodeSelector=null,tolerations=null,goMemoryLimit=null")
	if complaint != "" {
		t.Fatal(complaint)
	}
	if got := read(t, path).config.Data["hub.yaml"]; got != "{}\n" {
		t.Errorf("without settings, hub.yaml is %q", got)
	}
	const digest = "@sha256:0123456789012345678901234567890123456789012345678901234567890123"
	path, complaint = helm(t, "hub", "--set", "image.repository=registry.example:5000/a/b,image.tag=v1,image.digest="+digest[1:])
	if complaint != "" {
		t.Fatal(complaint)
	}
	if got := read(t, path).set.Spec.Template.Spec.Containers[0].Image; got != "registry.example:5000/a/b:v1"+digest {
		t.Errorf("the image is %s", got)
	}
}

// TestHelmGivesEveryReleaseNamesOfItsOwn, which Kubernetes accepts: names of services begin with a letter and have no dot, and pods get a suffix.
func TestHelmGivesEveryReleaseNamesOfItsOwn(t *testing.T) {
	valid, owner := regexp.MustCompile(`^[a-z]([-a-z0-9]*[a-z0-9])?$`), map[string]string{}
	long := strings.Repeat("a", 52)
	for _, release := range []string{
		"hub", "tidings", "my-tidings", "123", "1e3", "0x1f", "1.5", "on", "true", "null", "my.rel", "my-rel", "my.rel.tidings", "my-rel.tidings",
		long + "a", long + "b", long[:42], long[:43], long[:51] + "-b", long[:31] + "-" + long[:10], "0" + long,
	} {
		path, complaint := helm(t, release, "--set", "hubs=3,ingress.enabled=true,ingress.host=a.example,serviceMonitor.enabled=true,prometheusRule.enabled=true")
		if complaint != "" {
			t.Errorf("%s: %s", release, complaint)
			continue
		}
		m := read(t, path)
		for _, name := range []string{m.services[0].Name, m.services[1].Name, m.set.Name, m.config.Name, m.ingress.Name, m.budget.Name, m.network.Name} {
			if !valid.MatchString(name) || len(name) > 55 || !strings.HasPrefix(name, m.set.Name) {
				t.Errorf("%s: an object has the name %q", release, name)
			}
		}
		if len(m.set.Name) > 50 { // pods have the label controller-revision-hash, the name and 11 characters, and at most 63
			t.Errorf("%s: the name of the stateful set has %d characters", release, len(m.set.Name))
		}
		if got := m.set.Labels["app.kubernetes.io/instance"]; got != release {
			t.Errorf("the label of %s is %q", release, got)
		}
		if other := owner[m.set.Name]; other != "" {
			t.Errorf("%s and %s have the same names: %s", other, release, m.set.Name)
		}
		owner[m.set.Name] = release
		if peers := peersOf(flag(m.set.Spec.Template.Spec.Containers[0].Args, "cluster-peers")); peers[2] != fmt.Sprintf("%s-2.%s", m.set.Name, m.set.Spec.ServiceName) {
			t.Errorf("%s: the peers are %q", release, peers)
		}
	}
	if first, second := owner["hub-tidings"], owner["my-tidings"]; first != "hub" || second != "my-tidings" {
		t.Errorf("plain names have become others: %v", owner)
	}
}
