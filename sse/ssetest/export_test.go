package ssetest

import (
	"fmt"
	"testing"
	"testing/synctest"
)

// RunLifecycleCase runs the named case in a synctest bubble and returns the violations that it finds.
func RunLifecycleCase(t *testing.T, name string, client LifecycleClient) error {
	for _, c := range LifecycleCases() {
		if c.Name != name {
			continue
		}
		var err error
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { err = c.run(t, client) })
		})
		return err
	}
	return fmt.Errorf("there is no case %q", name)
}
