//go:build unix

package conform

import (
	"os/exec"
	"syscall"
)

// group makes a driver the leader of a process group, so that kill ends what it starts, too. A driver may be a script, or go run.
func group(driver *exec.Cmd) { driver.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// kill ends a driver that was started with group, and the processes of its group. It must come before Wait, after which the number of the group may
// be that of another one.
func kill(driver *exec.Cmd) { _ = syscall.Kill(-driver.Process.Pid, syscall.SIGKILL) } // they may have ended
