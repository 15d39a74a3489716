//go:build unix

package disklog_test

import (
	"os"
	"os/exec"
	"syscall"
)

// asNobody lets a command run as a user who may do nothing, where root runs it. Others have no other user, and may do little
// themselves.
func asNobody(cmd *exec.Cmd) {
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
}
