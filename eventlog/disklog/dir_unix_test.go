//go:build unix

package disklog_test

import (
	"os"
	"os/exec"
	"syscall"
)

// asUnprivilegedUser makes a command run as an unprivileged user, if root runs the test. Other users have few privileges themselves.
func asUnprivilegedUser(cmd *exec.Cmd) {
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
}
