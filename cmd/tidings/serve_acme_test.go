package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/tidings-sse/tidings/internal/acme"
)

// acmeCheck parses a command line of tidings serve, and checks its settings.
func acmeCheck(t *testing.T, args ...string) (*serveCmd, error) {
	t.Helper()
	var line struct {
		Serve serveCmd `cmd:""`
	}
	env := environ{}
	if _, err := kong.Must(&line, kong.Bind(env)).Parse(append([]string{"serve", "--insecure"}, args...)); err != nil {
		return nil, err
	}
	return &line.Serve, line.Serve.check(env)
}

// TestACMESettingsThatCannotWorkAreRefused: before the CA is asked, which allows few failures. deploy/acme_hub_test.go has those that work.
func TestACMESettingsThatCannotWorkAreRefused(t *testing.T) {
	dir := t.TempDir()
	cert, key := writePair(t, dir, 1)
	for _, test := range []struct{ line, want string }{
		{"--acme-domain 192.0.2.1", "is an IP address, and certificates are for names"},
		{"--acme-domain [2001:db8::1]", "is an IP address"},
		{"--acme-domain 2001:db8::1", "is an IP address"},
		{"--acme-domain *.example.com", "wildcards need a challenge over DNS"},
		{"--acme-domain hub.example.com:443", "has a port; certificates hold for all ports, so write hub.example.com"},
		{"--acme-domain https://hub.example.com", "is a URL; write only its name"},
		{"--acme-domain hub.example.com/events", "is not one name"},
		{"--acme-domain hub.example.com,b.example.com", "is not one name"},
		{"--acme-domain=", "the domain is empty"},
		{"--acme-domain hub_1.example.com", "is not the name of a host"},
		{"--acme-domain=-hub.example.com", "is not the name of a host"},
		{"--acme-domain a..b", "is not the name of a host"},
		{"--acme-domain " + strings.Repeat("a", 64) + ".example.com", "is not the name of a host"},
		{"--acme-domain localhost", "which is not a public name"},
		{"--acme-domain hub", "which is not a public name"},
		{"--acme-domain hub.local", "which is not a public name"},
		{"--acme-domain hub.internal", "which is not a public name"},
		{"--acme-domain hub.example.com --tls-cert " + cert + " --tls-key " + key, "--acme-domain and --tls-cert exclude each other"},
		{"--acme-domain hub.example.com --h2c", "--h2c is HTTP/2 without TLS"},
		{"--acme-domain hub.example.com --addr unix:" + dir + "/hub.sock", "the CA cannot connect to --addr unix:"},
		{"--acme-domain hub.example.com --addr 0.0.0.0:80", "port 80 is for connections without TLS"},
		{"--acme-domain hub.example.com --memory", "hint: --acme-dir"},
		{"--acme-domain hub.example.com --acme-email admin", "is not an address such as admin@example.com"},
		{"--acme-domain hub.example.com --acme-email Admin<a@example.com>", "is not an address such as"},
		{"--acme-domain hub.example.com --acme-directory http://ca.example/dir", "is not safe"},
		{"--acme-domain hub.example.com --acme-directory ca.example", "is not a URL"},
		{"--acme-domain hub.example.com --acme-directory https://user:secret@ca.example/", "contains a password"},
		{"--acme-domain hub.example.com --http-addr 80", ""},
		{"--acme-domain hub.example.com --http-addr localhost", "--http-addr \"localhost\" has no port"},
		{"--acme-domain hub.example.com --http-addr unix:/x", "the CA cannot connect to unix:/x"},
		{"--acme-email a@example.com", "--acme-email is for --acme-domain, which is missing"},
		{"--acme-directory https://ca.example/", "--acme-directory is for --acme-domain"},
		{"--acme-ca " + cert, "--acme-ca is for --acme-domain"},
		{"--acme-dir " + dir, "--acme-dir is for --acme-domain"},
		{"--http-addr off", "--http-addr is for --acme-domain"},
	} {
		args := strings.Fields(test.line)
		if !strings.Contains(test.line, "--addr ") {
			args = append(args, "--addr", "0.0.0.0:443")
		}
		_, err := acmeCheck(t, args...)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v, want %q", test.line, err, test.want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error shows a password: %v", test.line, err)
		}
	}
	if _, err := acmeCheck(t, "--acme-domain", "hub.example.com"); err == nil || !strings.Contains(err.Error(), "hint: --addr 0.0.0.0:443") {
		t.Errorf("without --addr: %v", err)
	}
}

func TestACMEDomainsTakeTheFormOfCertificates(t *testing.T) {
	c, err := acmeCheck(t, "--addr", "0.0.0.0:443", "--acme-domain", "HUB.Example.com.", "--acme-domain", "hub.example.com", "--acme-domain", "nachrichten.b\u00fccher.example")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(c.ACMEDomain, " "); got != "hub.example.com nachrichten.xn--bcher-kva.example" {
		t.Errorf("the domains are %s", got)
	}
	if c.ACMEDirectory != acme.LetsEncrypt {
		t.Errorf("the default CA is %s", c.ACMEDirectory)
	}
	// A company has a CA of its own for such names.
	if _, err := acmeCheck(t, "--addr", "0.0.0.0:443", "--acme-domain", "hub.internal", "--acme-directory", "https://ca.internal/acme/acme/directory"); err != nil {
		t.Error(err)
	}
}

func TestFolderOfCertificatesIsCheckedAtTheStart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"serve", "--insecure", "--memory", "--addr", "127.0.0.1:0", "--acme-domain", "hub.example.com"}
	for want, more := range map[string][]string{
		"the folder of the certificates cannot be used": {"--acme-dir", file + "/acme"},
		"--acme-ca: open " + file + "x: no such file":   {"--acme-dir", t.TempDir(), "--acme-ca", file + "x"},
		"has no certificate in PEM":                     {"--acme-dir", t.TempDir(), "--acme-ca", file},
	} {
		if code, out, complaint := say(t, append(args, more...)...); code == 0 || out != "" || !strings.Contains(complaint, want) {
			t.Errorf("%q: exit code %d, %s, want %s", more, code, complaint, want)
		}
	}
}
