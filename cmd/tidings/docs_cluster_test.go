//go:build !nonats

package main

import (
	"context"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestCommandsOfTheClusterPageMakeThreeHubs with ports of this test.
func TestCommandsOfTheClusterPageMakeThreeHubs(t *testing.T) {
	page, err := os.ReadFile("../../docs/cluster.md")
	if err != nil {
		t.Fatal(err)
	}
	serves := regexp.MustCompile(`(?m)^tidings (serve --addr :300\d .*)$`).FindAllStringSubmatch(string(page), -1)
	if len(serves) != 3 {
		t.Fatalf("the page has %d commands of hubs on one machine, want 3", len(serves))
	}
	t.Chdir(t.TempDir())
	if code, _, complaint := say(t, "cluster", "key", "cluster.key"); code != 0 {
		t.Fatal(complaint)
	}
	peers := []string{freeAddr(t), freeAddr(t), freeAddr(t)}
	ports := strings.NewReplacer("'127.0.0.1:{4248..4250}'", strings.Join(peers, ","), "127.0.0.1:4248", peers[0], "127.0.0.1:4249", peers[1], "127.0.0.1:4250", peers[2])
	ctx, stop := context.WithCancel(t.Context())
	ended, urls := make(chan int, len(serves)), make([]string, len(serves))
	for i, serve := range serves {
		args := append(strings.Fields(ports.Replace(serve[1])), "--keep-bytes=16MiB")
		addr := freeAddr(t)
		args[slices.Index(args, "--addr")+1], urls[i] = addr, "http://"+addr
		p := program{stdio: stdio{in: strings.NewReader(""), out: newAwaited(), err: newAwaited()}}
		go func() { ended <- p.run(ctx, args) }()
	}
	for _, url := range urls {
		eventually(t, url, func() bool { return codeOf(url+"/readyz") == http.StatusOK })
	}
	ask(t, http.DefaultClient, http.MethodPost, urls[2]+"/events/news", "hello")
	eventually(t, "the event", func() bool {
		_, text := ask(t, http.DefaultClient, http.MethodGet, urls[0]+"/events/news?poll=1&since=earliest", "")
		return strings.Contains(text, "data: hello")
	})
	if code, out, complaint := say(t, "cluster", "status", urls[1]); code != 0 || !strings.Contains(out, `"ready":true`) {
		t.Errorf("status: exit code %d, %s%s", code, out, complaint)
	}
	stop()
	for range serves {
		if code := <-ended; code != 0 {
			t.Errorf("a hub ends with exit code %d", code)
		}
	}
}

// codeOf returns the status of an answer, 0 if there is none.
func codeOf(url string) int {
	resp, err := http.Get(url)
	if err != nil {
		return 0
	}
	_ = resp.Body.Close() // nothing of it is needed
	return resp.StatusCode
}

// eventually waits until something is as it should be.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not in time", what)
		}
	}
}
