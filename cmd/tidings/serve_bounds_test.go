package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// bounds are the extreme values of a setting. With each value of works a hub starts, stores an event and delivers it. Each value of refused is
// an error that names the setting, before anything is opened. Settings without bounds are tested in other files.
type bounds struct {
	works, refused []string
	with           []string // further flags
	held           string   // by what
}

// settingBounds has every setting of tidings serve. An accepted value must have its full effect: if a library silently refuses or caps a value,
// tidings serve must refuse it, or implement it in another way.
var settingBounds = map[string]bounds{
	"addr":        {works: []string{"localhost:0", "127.0.0.1:0", "[::1]:0"}, refused: []string{"localhost:65536", "localhost:-1", "localhost", "unix:"}},
	"socket-mode": {works: []string{"0600", "0777"}, refused: []string{"01000", "0888", "-1", "0o600"}},
	"admin-addr":  {works: []string{"localhost:0", "127.0.0.1:0"}, refused: []string{"localhost:65536", "0.0.0.0:0"}},
	"max-members": {works: []string{"1", "1000000", "2147483647"}, refused: []string{"0", "-1", "2147483648"}},
	"tls-cert":    {held: "TestServeSpeaksTLS"},
	"tls-key":     {held: "TestServeSpeaksTLS"},
	"h2c":         {works: []string{"true", "false"}},

	"acme-domain":    {held: "TestACMESettingsThatCannotWorkAreRefused"},
	"acme-email":     {held: "TestACMESettingsThatCannotWorkAreRefused"},
	"acme-directory": {held: "TestACMESettingsThatCannotWorkAreRefused"},
	"acme-ca":        {held: "TestACMESettingsThatCannotWorkAreRefused"},
	"acme-dir":       {held: "TestACMESettingsThatCannotWorkAreRefused"},
	"http-addr":      {held: "TestACMESettingsThatCannotWorkAreRefused"},

	"console": {held: "TestConsoleIsServedWhereAdministrationIs"},

	"data":   {held: "TestServeKeepsItsEvents"},
	"memory": {held: "TestServeKeepsItsEvents"},
	"keep": {
		works: []string{
			"**=age:1ms", "**=age:65535d", "**=age:2562047h", "**=count:1", "**=count:2147483647", "**=latest:1", "**=latest:2147483647", "**=all",
			strings.Repeat("x", 1024) + "=age:1h", "caf\u00e9/**=age:1h",
		},
		refused: []string{
			"**=age:1ns", "**=age:0s", "**=age:-1h", "**=age:65536d", "**=age:2562048h", "**=count:0", "**=count:2147483648", "**=latest:-1",
			"**=count:5,latest:5", "**=", "=all", "a*=all", "$x=all", strings.Repeat("x", 1025) + "=age:1h", "cafe\u0301/**=age:1h",
		},
	},
	"keep-bytes":        {works: []string{"1MiB", "1048576TiB"}, refused: []string{"0", "1", "1048575B", "1MB", "-1GB", "1048577TiB", "1e40", "NaN", "Inf"}},
	"topics-remembered": {works: []string{"0", "1", "4294967295"}, refused: []string{"-1", "4294967296", "1e6"}},
	"min-free":          {works: []string{"0", "1B", "1MiB"}, refused: []string{"-1", "1048577TiB", "NaN", "0.1B"}},

	"sync": {works: []string{"always", "interval"}, refused: []string{"", "never"}},

	"cluster-peers":       {held: "TestHubsWithPeersShareOneLog"},
	"cluster-listen":      {held: "TestHubsWithPeersShareOneLog"},
	"cluster-name":        {held: "TestHubsWithPeersShareOneLog"},
	"cluster-key-file":    {held: "TestHubsWithPeersShareOneLog"},
	"cluster-url":         {held: "TestClusterFlagsThatDoNotFitAreRefused"},
	"nats":                {held: "TestHubsShareALogInNATS"},
	"nats-stream":         {held: "TestHubsShareALogInNATS"},
	"nats-replicas":       {held: "TestHubsShareALogInNATS"},
	"nats-creds":          {held: "TestClusterFlagsThatDoNotFitAreRefused"},
	"nats-durable":        {held: "TestClusterFlagsThatDoNotFitAreRefused"},
	"redis":               {held: "TestRedisFlagsThatDoNotFitAreRefused"},
	"redis-password-file": {held: "TestRedisFlagsThatDoNotFitAreRefused"},
	"redis-wait":          {held: "TestRedisFlagsThatDoNotFitAreRefused"},

	"redis-sentinel-password-file": {held: "TestPasswordOfTheSentinelsComesFromAFile"},
	"redis-sentinel-user":          {held: "TestPasswordOfTheSentinelsComesFromAFile"},
	"cluster-tls-cert":             {held: "TestHubsAuthenticateEachOtherWithGivenCertificates"},
	"cluster-tls-key":              {held: "TestHubsAuthenticateEachOtherWithGivenCertificates"},
	"cluster-tls-ca":               {held: "TestHubsAuthenticateEachOtherWithGivenCertificates"},

	"key-file":     {held: "TestServeAsksForTokens"},
	"key-env":      {held: "TestServeAsksForTokens"},
	"public-key":   {held: "TestServeAsksForTokens"},
	"jwks-url":     {held: "TestServeTakesTokensOfAJWKS"},
	"jwt-alg":      {held: "TestServeAsksForTokens"},
	"jwt-issuer":   {held: "TestServeAsksForTokens"},
	"jwt-audience": {held: "TestServeAsksForTokens"},
	"token-cookie": {
		works: []string{"token", "__Host-token", "a.b~c"}, refused: []string{"my token", "a=b", "a;b", "t\u00f6ken", "a\"b"},
		with: []string{"--public", "**"},
	},
	"token-query": {held: "TestATokenInTheQueryIsForThoseOnlyWhoAskForIt"},
	"public": {
		works:   []string{"**", "news/**", strings.Repeat("x", 1024), "caf\u00e9"},
		refused: []string{"", "a*", "**/a", strings.Repeat("x", 1025), "cafe\u0301"},
	},
	"origin": {
		works:   []string{"https://app.example", "http://localhost:5173", "*", "null"},
		refused: []string{"", "app.example", "https://app.example/", "https://app.example/path", "https://*.example", "https://app.example:443"},
	},
	"insecure": {works: []string{"true", "false"}},

	"max-event": {works: []string{"2B", "16MiB"}, refused: []string{"0", "-1", "16777217B", "17MiB"}},
	"max-topics": {
		works: []string{"1", "65535"}, refused: []string{"0", "-1", "65536", "1e3"},
	},
	"max-body-memory": {works: []string{"6MiB", "1048576TiB"}, refused: []string{"0", "1", "-1", "6291455B", "1048577TiB"}},

	"ignore-param":   {works: []string{"datastar", "_", "utm_source", "\u00e9", "a b"}, refused: []string{"", "topic", "last_event_id", "lastEventId", "limit", "poll", "access_token", "datastar,foo", "datastar, foo"}},
	"header-timeout": {works: []string{"1s", "87600h"}, refused: []string{"0s", "0", "-1s", "999us", "87601h", "2562047h", "10"}},
	"body-timeout":   {works: []string{"1s", "87600h"}, refused: []string{"0s", "-1s", "999us", "87601h"}},

	"max-connections":             {works: []string{"0", "2", "4294967295"}, refused: []string{"-1", "4294967296"}},
	"max-connections-per-address": {works: []string{"0", "2", "4294967295"}, refused: []string{"-1", "4294967296"}},
	"max-connections-per-token":   {works: []string{"0", "2", "4294967295"}, refused: []string{"-1", "4294967296"}},

	"publish-rate-per-address": {
		works:   []string{"1e-300/s", "1e300/s", "1/s:1", "1e300/s:9223372036854775807", "1e19/s"},
		refused: []string{"0/s", "-1/s", "NaN/s", "Inf/s", "1e309/s", "1/s:0", "1/s:-1", "1/s:9223372036854775808", "1/m"},
	},
	"publish-rate-per-token": {
		works:   []string{"1e-300/s", "1e300/s", "1/s:1"},
		refused: []string{"0/s", "-1/s", "NaN/s", "1/s:0"},
	},

	"write-timeout": {works: []string{"1s", "597h", "87600h"}, refused: []string{"0s", "-1s", "999us", "87601h"}},
	"max-age":       {works: []string{"0s", "1s", "87600h"}, refused: []string{"-1s", "1ns", "999ms", "87601h", "1h30"}},
	"heartbeat-min": {works: []string{"1ms", "5s", "25s"}, refused: []string{"0s", "26s", "1h", "-1s", "999us", "87601h"}},
	"gather":        {works: []string{"0s", "5ms", "1s"}, refused: []string{"-1ms", "1001ms", "5"}},
	"compress": {
		works:   []string{"**", "news/**", strings.Repeat("x", 1024), "caf\u00e9"},
		refused: []string{"", "a*", "**/a", strings.Repeat("x", 1025), "cafe\u0301"},
	},
	"max-lag":       {works: []string{"1B", "1048576TiB"}, refused: []string{"0", "-1", "1048577TiB"}},
	"max-lag-time":  {works: []string{"0s", "1ns", "87600h"}, refused: []string{"-1s", "87601h"}},
	"skip-slow":     {works: []string{"true", "false"}},
	"trusted-proxy": {works: []string{"0.0.0.0/0", "::/0", "127.0.0.1/32"}, refused: []string{"10.0.0.0/33", "10.0.0.0", "proxy"}},

	"drain-delay":  {works: []string{"0s", "1ms"}, refused: []string{"-1s", "61m", "x"}},
	"log-format":   {works: []string{"text", "json"}, refused: []string{"", "xml"}},
	"log-requests": {works: []string{"auto", "always", "never"}, refused: []string{"", "on"}},
	"log-level":    {works: []string{"debug", "error"}, refused: []string{"", "all"}},
}

// TestEverySettingWorksAtItsBounds: --max-topics 50000 was accepted, but a subscription with more than 10,000 topics failed at a limit of
// net/url. With --write-timeout 600h sockets had no TCP timeout, because the kernel refuses that many milliseconds. --max-topics 0 meant
// 1,000.
func TestEverySettingWorksAtItsBounds(t *testing.T) {
	for _, command := range kong.Must(&commands{}, kong.NoDefaultHelp(), kong.BindTo(t.Context(), (*context.Context)(nil))).Model.Children {
		if command.Name != "serve" {
			continue
		}
		for _, flag := range command.Flags {
			if _, known := settingBounds[flag.Name]; !known && flag.Name != "config" && flag.Name != "help" {
				t.Errorf("settingBounds has no row for --%s", flag.Name)
			}
		}
	}
	for name, b := range settingBounds {
		if (b.held == "") != (len(b.works) > 0) {
			t.Errorf("--%s: either it is tried here, or another test holds it", name)
		}
		for _, value := range b.works {
			t.Run(fmt.Sprintf("%s=%.40s", name, value), func(t *testing.T) {
				t.Parallel()
				var env environ
				if b.with != nil || strings.HasSuffix(name, "public") {
					env = environ{"TIDINGS_KEY=" + testSecret}
				}
				checkDelivery(t, env, append([]string{"--" + name + "=" + value}, b.with...)...)
			})
		}
		for _, value := range b.refused {
			code, _, complaint := sayIn(t, nil, append([]string{"config", "--" + name + "=" + value}, b.with...)...)
			if code != exitUsage || !strings.Contains(complaint, name) {
				t.Errorf("--%s=%.60s: exit code %d, %s", name, value, code, complaint)
			}
		}
	}
}

// checkDelivery fails the test unless a hub with some flags stores an event and delivers it, to open streams and to later ones.
func checkDelivery(t *testing.T, env environ, flags ...string) {
	t.Helper()
	var s *served
	if strings.HasPrefix(flags[0], "--sync") || strings.HasPrefix(flags[0], "--min-free") { // --memory would refuse them
		s = startServeIn(t, t.TempDir(), env, flags...)
	} else {
		s = startServe(t, env, flags...)
	}
	client := clientOf(t, nil)
	topic := "news"
	if value, ok := strings.CutPrefix(flags[0], "--public="); ok {
		topic = strings.ReplaceAll(value, "**", "a")
	}
	where := s.url + "/events?topic=" + url.QueryEscape(topic)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, where, nil)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	var header []string
	if env != nil {
		header = []string{"Authorization", "Bearer " + mint(t, testSecret, "ann")}
	}
	if answer, text := ask(t, client, http.MethodPost, where, "hi", header...); answer.StatusCode != http.StatusOK {
		t.Fatalf("publishing: %s %s", answer.Status, text)
	}
	brief := strings.Contains(flags[0], "age:1ms") // the event may be gone before it is delivered, and the stream then gets a gap
	for lines := bufio.NewScanner(stream.Body); ; {
		if !lines.Scan() {
			t.Fatalf("the stream ends without the event: %v", lines.Err())
		}
		if lines.Text() == "data: hi" || brief && lines.Text() == "event: tidings.gap" {
			break
		}
	}
	if brief {
		return
	}
	if answer, text := ask(t, client, http.MethodGet, where+"&poll=1", "", header...); answer.StatusCode != http.StatusOK || !strings.Contains(text, "data: hi\n") {
		t.Errorf("a poll: %s %s", answer.Status, text)
	}
}

// TestMemoryLogHonoursKeepBytes: it kept at most 100,000 events, whatever the value of --keep-bytes.
func TestMemoryLogHonoursKeepBytes(t *testing.T) {
	for size, want := range map[byteSize]int64{0: 0, 1 << 30: -1} {
		f := storeFlags{Memory: true, keepFlags: keepFlags{KeepBytes: size}}
		if got := f.retention(); got.Events != want || got.Bytes != int64(size) {
			t.Errorf("--keep-bytes %d: %+v", size, got)
		}
	}
	if got := (&storeFlags{keepFlags: keepFlags{KeepBytes: 1 << 30}}).retention(); got.Events != 0 {
		t.Errorf("on disk: %+v", got)
	}
}
