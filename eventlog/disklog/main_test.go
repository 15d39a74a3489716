package disklog_test

import (
	"os"
	"testing"
)

// TestMain lets the test binary be the process that gets killed, see kill_test.go.
func TestMain(m *testing.M) {
	if plan := os.Getenv(victimPlan); plan != "" {
		os.Exit(victim(plan))
	}
	os.Exit(m.Run())
}
