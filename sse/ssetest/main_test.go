package ssetest_test

import (
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"testing"
	"time"
)

// TestMain sees to it that the tests leave no goroutine behind.
func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 && !alone(5*time.Second) {
		fmt.Fprintln(os.Stderr, "goroutines are left at the end of the tests:")
		_ = pprof.Lookup("goroutine").WriteTo(os.Stderr, 1)
		code = 1
	}
	os.Exit(code)
}

// alone waits until this is the only goroutine; net/http's need a moment to notice that their connection is closed.
func alone(patience time.Duration) bool {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); runtime.NumGoroutine() > 1 && time.Now().Before(end); {
		<-tick.C
	}
	return runtime.NumGoroutine() <= 1
}
