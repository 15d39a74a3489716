//go:build programs

package main

import (
	"os/exec"
	"testing"
)

// Tests with the tag programs run other programs, such as shells, curl and git. So go test ./... needs only Go. make test installs the
// programs and runs these tests, too.

// commandPath returns the path of a program that a test needs.
func commandPath(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%v; .ci/needs installs it", err)
	}
	return path
}
