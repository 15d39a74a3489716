package deploy

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// TestPageShowsTheFiles: docs/deploy.md has the text of the files that users copy and packages contain.
func TestPageShowsTheFiles(t *testing.T) {
	page, err := os.ReadFile("../docs/deploy.md")
	if err != nil {
		t.Fatal(err)
	}
	for language, path := range map[string]string{
		"nginx": "proxies/nginx.conf", "haproxy": "proxies/haproxy.cfg", "caddyfile": "proxies/Caddyfile", "ini": "../release/packaging/tidings.service",
	} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		shown := regexp.MustCompile("(?ms)^```" + language + "\n(.*?)^```$").FindSubmatch(page)
		if shown == nil || string(shown[1]) != string(text) {
			t.Errorf("docs/deploy.md does not show deploy/%s as it is", path)
		}
	}
}

// TestComposeFileSetsWhatServeReads: every variable of the hub is a setting, and the health check is a command of the image, which has no shell.
func TestComposeFileSetsWhatServeReads(t *testing.T) {
	text, err := os.ReadFile("compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Name     string
		Services map[string]struct {
			Image, Restart string
			Environment    map[string]string
			Healthcheck    struct{ Test []string }
			Volumes        []string
			ReadOnly       bool `json:"read_only"`
		}
		Volumes map[string]any
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	hub, known := file.Services["hub"], settings(t)
	for name := range hub.Environment {
		flag, ours := strings.CutPrefix(name, "TIDINGS_")
		if flag = strings.ToLower(strings.ReplaceAll(flag, "_", "-")); ours && !known[flag] {
			t.Errorf("%s is no setting", name)
		}
	}
	if !strings.HasPrefix(hub.Image, "ghcr.io/tidings-sse/tidings:${TIDINGS_VERSION:?") {
		t.Errorf("the image is %q, and make release makes no tag but the version", hub.Image)
	}
	if check := hub.Healthcheck.Test; len(check) < 3 || check[0] != "CMD" || check[1] != "/tidings" || check[2] != "health" {
		t.Errorf("the health check is %q", check)
	}
	if len(hub.Volumes) != 1 || !strings.HasSuffix(hub.Volumes[0], ":/data") || !hub.ReadOnly {
		t.Errorf("%+v", file)
	}
}
