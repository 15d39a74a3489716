//go:build programs

package main

import (
	"os/exec"
	"testing"
)

// TestJavaScriptInTheDocumentationIsValid checks the syntax with Node.
func TestJavaScriptInTheDocumentationIsValid(t *testing.T) {
	node := commandPath(t, "node")
	for _, f := range fragments(t) {
		if f.language != "js" {
			continue
		}
		if out, err := exec.Command(node, "--check", writeFile(t, "page.mjs", f.text)).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", f, err, out)
		}
	}
}
