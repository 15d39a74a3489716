//go:build unix

package disklog_test

import (
	"os"
	"os/exec"
	"syscall"
)

// asNobody makes a command run as an unprivileged user, if root runs it. Other users cannot do that, and have few privileges themselves.
func asNobody(cmd *exec.Cmd) {
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
}
