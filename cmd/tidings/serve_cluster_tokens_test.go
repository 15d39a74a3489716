package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/eventlog"
)

// TestHubsThatAcceptTheSameTokensHaveTheSameMark, and others have another one. The mark of a key depends on the secret of the cluster.
func TestHubsThatAcceptTheSameTokensHaveTheSameMark(t *testing.T) {
	t.Parallel()
	one, two := writeFile(t, "one", "k3f9aXq0-Zr71Lw8vB2nT5yUe4Hs6MdPc9Jg-Wt8bO3iVx1KzR5uFq7GhYl2EmNa"), writeFile(t, "two", "Qm7vN1xZ-s5Kd8RfW3hYb6TgUj0LpEaCo2i-Jc4nXw9DkVt6ZqS1yHrBe3MuIo8PfLgZx")
	mark := func(secret string, f authFlags) string {
		t.Helper()
		f.KeyEnv = keyVariable
		keys, err := f.tokens(environ{}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer keys.close()
		var bytes []byte
		if secret != "" {
			bytes = []byte(secret)
		}
		text, err := f.tokensMark(bytes, keys)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	var news topicPattern
	news.Pattern = eventlog.MustPattern("news")
	marks := map[string]string{}
	for name, f := range map[string]authFlags{
		"no key": {}, "one key": {KeyFile: []string{one}}, "two keys": {KeyFile: []string{one, two}}, "another key": {KeyFile: []string{two}},
		"an algorithm": {KeyFile: []string{one}, JWTAlg: []string{"HS512"}}, "an issuer": {KeyFile: []string{one}, JWTIssuer: "a"}, "an audience": {KeyFile: []string{one}, JWTAudience: "a"},
		"a JWKS": {KeyFile: []string{one}, JWKSURL: "https://a/keys"}, "public topics": {KeyFile: []string{one}, Public: []topicPattern{news}},
	} {
		m := mark("a secret", f)
		if other, taken := marks[m]; taken || len(m) != 2*markLength {
			t.Errorf("hubs with %s and %s have the mark %q", name, other, m)
		}
		marks[m] = name
	}
	if a, b := mark("a secret", authFlags{KeyFile: []string{one, two}}), mark("a secret", authFlags{KeyFile: []string{two, one}}); a != b {
		t.Errorf("the order of keys matters: %s, %s", a, b)
	}
	if m := mark("another secret", authFlags{KeyFile: []string{one}}); marks[m] != "" {
		t.Error("the mark does not depend on the secret of the cluster")
	}
	if m := mark("", authFlags{KeyFile: []string{one}}); m != "" {
		t.Errorf("without a secret the mark is %q", m)
	}
}

// TestClusterStatusNamesHubsThatCheckTokensDifferently: nothing told it.
func TestClusterStatusNamesHubsThatCheckTokensDifferently(t *testing.T) {
	t.Parallel()
	for hubs, want := range map[string]string{
		`[{"name":"a","ready":true,"tokens":"1"},{"name":"b","ready":true,"tokens":"2"},{"name":"c","ready":true,"tokens":"2"}]`: "\ntokens are not checked by b, c as by a: ",
		`[{"name":"a","ready":true,"tokens":"1"},{"name":"b","ready":true,"tokens":"1"},{"name":"c","ready":true}]`:              "",
	} {
		var status clusterAnswer
		if err := json.Unmarshal([]byte(`{"name":"a","hubs":`+hubs+`}`), &status); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := printCluster(&out, &status, ""); err != nil {
			t.Fatal(err)
		}
		if text := out.String(); want == "" && strings.Contains(text, "tokens") || !strings.Contains(text, want) {
			t.Errorf("%s\nwant %q", text, want)
		}
	}
}
