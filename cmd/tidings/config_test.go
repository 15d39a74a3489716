package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"
)

// sayIn is say with environment variables.
func sayIn(t *testing.T, env environ, args ...string) (code int, out, err string) {
	t.Helper()
	var o, e strings.Builder
	p := program{stdio: stdio{in: strings.NewReader(""), out: &o, err: &e}, environ: env}
	code = p.run(t.Context(), args)
	return code, o.String(), e.String()
}

// writeFile writes a file in a temporary directory, and returns its path.
func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	name = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// configLine returns the line of tidings config about a key.
func configLine(t *testing.T, out, key string) string {
	t.Helper()
	line := regexp.MustCompile(`(?m)^` + key + `:.*$`).FindString(out)
	if line == "" {
		t.Fatalf("there is nothing about %s in\n%s", key, out)
	}
	return line
}

func TestFlagsOverrideTheEnvironmentAndTheFile(t *testing.T) {
	const byFile, byEnv, byFlag = "addr: :1111\n", "TIDINGS_ADDR=:2222", "--addr=:3333"
	for _, test := range []struct {
		name            string
		file, env, flag bool
		want            string
	}{
		{"nothing", false, false, false, "addr: localhost:3000 # default"},
		{"file", true, false, false, "addr: :1111 # file hub.yaml:1"},
		{"environment", false, true, false, "addr: :2222 # environment TIDINGS_ADDR"},
		{"flag", false, false, true, "addr: :3333 # flag --addr"},
		{"file and environment", true, true, false, "addr: :2222 # environment TIDINGS_ADDR"},
		{"file and flag", true, false, true, "addr: :3333 # flag --addr"},
		{"environment and flag", false, true, true, "addr: :3333 # flag --addr"},
		{"all", true, true, true, "addr: :3333 # flag --addr"},
	} {
		t.Run(test.name, func(t *testing.T) {
			args, env := []string{"config"}, environ{}
			if test.file {
				args = append(args, "--config", writeFile(t, "hub.yaml", byFile))
			}
			if test.env {
				env = append(env, byEnv)
			}
			if test.flag {
				args = append(args, byFlag)
			}
			code, out, complaint := sayIn(t, env, args...)
			if code != 0 || complaint != "" {
				t.Fatalf("exit code %d: %s", code, complaint)
			}
			if got := strings.ReplaceAll(configLine(t, out, "addr"), "'", ""); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

// Lists from several sources are not merged: the source with the highest precedence replaces the others.
func TestConfigListsComeFromOneOrigin(t *testing.T) {
	file := writeFile(t, "hub.yaml", "keep:\n  - a/**=age:24h\n  - b=latest:1\norigin: https://one.example\n")
	for _, test := range []struct {
		env   environ
		flags []string
		want  string
	}{
		{nil, nil, "keep: # file hub.yaml:1\n  - a/**=age:24h\n  - b=latest:1\n"},
		{environ{"TIDINGS_KEEP=c=all  d/*=count:5,age:7d"}, nil, "keep: # environment TIDINGS_KEEP\n  - c=all\n  - d/*=count:5,age:7d\n"},
		{environ{"TIDINGS_KEEP=c=all"}, []string{"--keep", "e=age:1h,count:2", "--keep", "f g=all"}, "keep: # flag --keep\n  - e=age:1h,count:2\n  - f g=all\n"},
		{nil, nil, "origin: # file hub.yaml:4\n  - https://one.example\n"},
	} {
		code, out, complaint := sayIn(t, test.env, append([]string{"config", "--config", file}, test.flags...)...)
		if code != 0 || !strings.Contains(out, test.want) {
			t.Errorf("%q %q: exit code %d, %s%s\nwant %s", test.env, test.flags, code, complaint, out, test.want)
		}
	}
}

func TestConfigOutputIsAValidConfigFile(t *testing.T) {
	all := environ{
		"TIDINGS_ADDR=unix:/run/a b.sock", "TIDINGS_SOCKET_MODE=0600", "TIDINGS_DATA=/var/lib/tidings", "TIDINGS_KEEP=a/**=age:24h,count:3 *=all",
		"TIDINGS_KEEP_BYTES=10GB", "TIDINGS_SYNC=interval", "TIDINGS_MAX_EVENT=3MiB", "TIDINGS_HEADER_TIMEOUT=1m30s",
		"TIDINGS_ORIGIN=* https://a.example", "TIDINGS_H2C=yes", "TIDINGS_KEY_FILE=/etc/one /etc/two", "TIDINGS_KEY_ENV=HUB_SECRET", "HUB_SECRET=" + testSecret, "TIDINGS_PUBLIC=news/** **",
		"TIDINGS_LOG_FORMAT=json", "TIDINGS_LOG_LEVEL=debug",
	}
	withoutOrigins := func(text string) string { return regexp.MustCompile(`(?m) # .*$`).ReplaceAllString(text, "") }
	for _, env := range []environ{nil, all} {
		code, once, complaint := sayIn(t, env, "config")
		if code != 0 {
			t.Fatalf("exit code %d: %s", code, complaint)
		}
		code, twice, complaint := sayIn(t, environ{"HUB_SECRET=" + testSecret}, "config", "--config", writeFile(t, "hub.yaml", once))
		if code != 0 {
			t.Fatalf("exit code %d: %s\n%s", code, complaint, once)
		}
		if diff := cmp.Diff(withoutOrigins(once), withoutOrigins(twice)); diff != "" {
			t.Errorf("other settings (-printed +read):\n%s", diff)
		}
		if strings.Contains(twice, "environment") {
			t.Errorf("it was read from a file:\n%s", twice)
		}
	}
}

func TestConfigNeverShowsKeys(t *testing.T) {
	const secret = "0123456789abcdef0123456789abcdef"
	file := writeFile(t, "key", secret)
	for _, args := range [][]string{{"config"}, {"config", "--key-file", file}, {"config", "--key-env", "TIDINGS_OTHER"}, {"config", "--nix"}} {
		_, out, complaint := sayIn(t, environ{"TIDINGS_KEY=" + secret, "TIDINGS_OTHER=" + secret}, args...)
		if strings.Contains(out+complaint, secret[:8]) {
			t.Errorf("tidings %s shows it:\n%s%s", args, out, complaint)
		}
	}
}

// With a misspelt variable, the hub ran without a key.
func TestConfigRefusesAMissingKeyVariable(t *testing.T) {
	for _, value := range []string{"HUB_KEY=" + testSecret, "HUBKEY="} {
		code, _, complaint := sayIn(t, environ{value}, "config", "--key-env", "HUBKEY")
		if code != exitUsage || !strings.Contains(complaint, "no key in the environment variable HUBKEY") {
			t.Errorf("exit code %d: %s", code, complaint)
		}
	}
}

// Everything after the first 1 MiB was ignored without an error.
func TestConfigRefusesALargeFile(t *testing.T) {
	name := writeFile(t, "hub.yaml", strings.Repeat("# comment\n", longestFile/10+1)+"nonsense: 1\n")
	if code, _, complaint := sayIn(t, nil, "config", "--config", name); code != exitUsage || !strings.Contains(complaint, "hub.yaml has more than") {
		t.Errorf("exit code %d: %s", code, complaint)
	}
}

// tidings config accepted values that tidings serve refused or treated as no timeout.
func TestConfigRefusesNegativeLimits(t *testing.T) {
	for _, flag := range []string{
		"--max-connections=-1", "--max-connections-per-address=-1", "--max-connections-per-token=-1", "--max-topics=-1", "--max-event=-1",
		"--header-timeout=-1s", "--body-timeout=-1s", "--write-timeout=-1s", "--max-lag=-1", "--max-lag-time=-1s", "--max-event=17MiB",
	} {
		name, _, _ := strings.Cut(flag, "=")
		if code, _, complaint := sayIn(t, nil, "config", flag); code != exitUsage || !strings.Contains(complaint, name) {
			t.Errorf("%s: exit code %d: %s", flag, code, complaint)
		}
	}
}

// A secret in the URL of the JWKS was printed.
func TestConfigNeverShowsSecretsInURLs(t *testing.T) {
	for at, good := range map[string]bool{
		"https://id.example/keys?api_key=hunter2": false, "https://me:hunter2@id.example/keys": false, "http://id.example/keys?x=hunter2": false,
		"https://id.example/keys?p=b2c_1_signin": true,
	} {
		code, out, complaint := sayIn(t, nil, "config", "--jwks-url", at)
		if strings.Contains(out+complaint, "hunter2") || (code == 0) != good {
			t.Errorf("%s: exit code %d: %s%s", at, code, complaint, out)
		}
	}
}

func TestConfigRefusesUnknownKeysAndBadValues(t *testing.T) {
	for _, test := range []struct {
		name, file string
		env        environ
		want       string
	}{
		{"a key that is nearly one", "# mine\n\nadr: :80\n", nil, `file hub.yaml:3: unknown key "adr"; did you mean addr?`},
		{"a key of another file", "listen_address: :80\n", nil, `file hub.yaml:1: unknown key "listen_address"`},
		{"the flag with its dashes", "--max-event: 1MB\n", nil, `unknown key "--max-event"; did you mean max-event?`},
		{"underscores", "max_event: 1MB\n", nil, `unknown key "max_event"; did you mean max-event?`},
		{"a file in a file", "config: x.yaml\n", nil, `unknown key "config"`},
		{"key material", "key: 0123456789abcdef0123456789abcdef\n", nil, `unknown key "key"`},
		{"a variable", "", environ{"TIDINGS_ADR=:80"}, "unknown environment variable TIDINGS_ADR; did you mean TIDINGS_ADDR?"},
		{"a variable that is like none", "", environ{"TIDINGS_JABBERWOCKY=1"}, "unknown environment variable TIDINGS_JABBERWOCKY\n"},
		{"a value", "addr: :80\nmax-event: much\n", nil, `file hub.yaml:2: --max-event: "much" is not a size`},
		{"a value in the environment", "", environ{"TIDINGS_MAX_EVENT=much"}, `environment TIDINGS_MAX_EVENT: --max-event: "much" is not a size`},
		{"one of several", "sync: sometimes\n", nil, `file hub.yaml:1: --sync: "sometimes" is not one of always, interval`},
		{"a value in a list", "keep:\n- a=age:1h\n- nonsense\n", nil, `file hub.yaml:1: --keep: "nonsense" is not a rule`},
		{"a list", "addr: [a, b]\n", nil, "file hub.yaml:1: addr takes one value, not a list"},
		{"the hub's own topics", "keep: $tidings/**=age:1h\n", nil, "the hub decides itself how long it keeps its own topics"},
		{"lists in a list", "keep: [[a]]\n", nil, "file hub.yaml:1: keep: "},
		{"a mapping", "addr:\n  port: 80\n", nil, "file hub.yaml:2: addr: this is neither a value nor a list"},
		{"twice", "addr: :80\nmemory: true\naddr: :81\n", nil, "file hub.yaml:3: addr is already set in line 1"},
		{"no mapping", "- addr\n", nil, "file hub.yaml:1: write lines such as addr: localhost:3000"},
		{"two documents", "addr: :80\n---\naddr: :81\n", nil, "after the first document"},
		{"no YAML", "addr: [\n", nil, "file hub.yaml: yaml: "},
		{"both places", "memory: true\ndata: x\n", nil, "--memory and --data exclude each other"},
	} {
		t.Run(test.name, func(t *testing.T) {
			args := []string{"config"}
			if test.file != "" {
				args = append(args, "--config", writeFile(t, "hub.yaml", test.file))
			}
			code, _, complaint := sayIn(t, test.env, args...)
			if code != exitUsage || !strings.HasPrefix(complaint, "tidings: ") || !strings.Contains(complaint, test.want) {
				t.Errorf("exit code %d: %s\nwant %s", code, complaint, test.want)
			}
		})
	}
	if code, _, complaint := sayIn(t, nil, "config", "--config", "nowhere.yaml"); code != exitUsage || !strings.Contains(complaint, "nowhere.yaml: no such file") {
		t.Errorf("a file that is not there: exit code %d: %s", code, complaint)
	}
}

// A pod in Kubernetes has variables for each service of its namespace, such as a service named tidings.
func TestConfigIgnoresKubernetesServiceVariables(t *testing.T) {
	env := environ{
		"TIDINGS_SERVICE_HOST=10.0.0.1", "TIDINGS_SERVICE_PORT=3000", "TIDINGS_SERVICE_PORT_HTTP=3000", "TIDINGS_PORT=tcp://10.0.0.1:3000",
		"TIDINGS_PORT_3000_TCP=tcp://10.0.0.1:3000", "TIDINGS_PORT_3000_TCP_ADDR=10.0.0.1", "TIDINGS_HUB_SERVICE_HOST=10.0.0.1",
		"TIDINGS_TOKEN=t", "TIDINGS_HUB=http://localhost:3000", "TIDINGSADDR=x", "PATH=/bin", "TIDINGS_ADDR=", "TIDINGS_CONFIG=",
	}
	code, out, complaint := sayIn(t, env, "config")
	if code != 0 || complaint != "" {
		t.Errorf("exit code %d: %s", code, complaint)
	}
	if got := configLine(t, out, "addr"); got != "addr: localhost:3000 # default" {
		t.Errorf("an empty variable is not as if it were not there: %s", got)
	}
}

func TestConfigFileCanBeSetByTheEnvironment(t *testing.T) {
	one, two := writeFile(t, "one.yaml", "max-event: 1KiB"), writeFile(t, "two.yaml", "max-event: 2KiB\ndata:\nmemory: ~\n")
	env := environ{"TIDINGS_CONFIG=" + one}
	if _, out, _ := sayIn(t, env, "config"); configLine(t, out, "max-event") != "max-event: 1KiB # file one.yaml:1" {
		t.Errorf("got\n%s", out)
	}
	_, out, _ := sayIn(t, env, "config", "--config", two)
	if configLine(t, out, "max-event") != "max-event: 2KiB # file two.yaml:1" || configLine(t, out, "data") != "data: "+kong.ExpandPath("tidings-data")+" # default" {
		t.Errorf("got\n%s", out)
	}
}

func TestNearestFindsMisspeltNames(t *testing.T) {
	names := []string{"addr", "data", "max-event", "keep", "keep-bytes"}
	for wrote, want := range map[string]string{
		"adr": "addr", "address": "", "maxevent": "max-event", "max-events": "max-event", "keepbyte": "keep-bytes", "": "", "frumious": "",
	} {
		if got := nearest(wrote, names); got != want {
			t.Errorf("nearest(%q) is %q, want %q", wrote, got, want)
		}
	}
	for _, test := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"kitten", "sitting", 3}, {"flaw", "lawn", 2}, {"abc", "abc", 0}} {
		if got := editDistance(test.a, test.b); got != test.want || editDistance(test.b, test.a) != got {
			t.Errorf("editDistance(%q, %q) is %d, want %d", test.a, test.b, got, test.want)
		}
	}
}

func TestSizesRoundTripThroughText(t *testing.T) {
	for text, want := range map[string]string{"1MiB": "1MiB", "1024": "1KiB", "10GB": "10GB", "1500MB": "1500MB", "7": "7", "1.5KiB": "1536", "1024GiB": "1TiB"} {
		var s, again byteSize
		if err := s.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		b, err := s.MarshalText()
		if err != nil || string(b) != want {
			t.Errorf("%s is written %s (%v), want %s", text, b, err, want)
		}
		if err := again.UnmarshalText(b); err != nil || again != s {
			t.Errorf("%s is read as %d (%v), want %d", b, again, err, s)
		}
	}
}

func TestConfigWritesNumbersAsNumbers(t *testing.T) {
	_, out, _ := sayIn(t, nil, "config")
	for key, want := range map[string]string{
		"max-topics": "max-topics: 1000 # default", "max-event": "max-event: 1MiB # default",
		"header-timeout": "header-timeout: 10s # default", "socket-mode": `socket-mode: "0660" # default`,
	} {
		if got := configLine(t, out, key); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
