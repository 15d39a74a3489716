//go:build unix

package main

import (
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/tidings-sse/tidings/internal/address"
)

func TestBenchSaysHowManyOpenFilesItNeeds(t *testing.T) {
	code, out, complaint := say(t, "bench", "--hub", nowhere(t), "--subscribers=2000000000")
	if code != exitUsage || out != "" || !strings.Contains(complaint, "need 2000000033 open files") || !strings.Contains(complaint, "hint: raise the limit with ulimit -n 2000000033") {
		t.Errorf("exit code %d, output %q, %s", code, out, complaint)
	}
	hint := connectionHint(&net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)}, address.Hub{}, true)
	if !strings.Contains(hint, "ulimit -n") {
		t.Errorf("without files for sockets the hint is %q", hint)
	}
}
