//go:build !unix

package conform

import "os/exec"

// group does nothing: this system has no process groups.
func group(*exec.Cmd) {}

// kill ends a driver. What the driver has started ends with its input.
func kill(driver *exec.Cmd) { _ = driver.Process.Kill() } // it may have ended
