package disklog_test

import (
	"os"
	"testing"
)

// TestMain runs the victim if the test binary was started as one, see kill_test.go.
func TestMain(m *testing.M) {
	if plan := os.Getenv(victimPlan); plan != "" {
		os.Exit(victim(plan))
	}
	os.Exit(m.Run())
}
