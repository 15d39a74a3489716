package ssetest_test

import (
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"testing"
	"time"
)

// TestMain checks that the tests leave no goroutine behind.
func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 && !alone(5*time.Second) {
		fmt.Fprintln(os.Stderr, "goroutines are still running at the end of the tests:")
		_ = pprof.Lookup("goroutine").WriteTo(os.Stderr, 1)
		code = 1
	}
	os.Exit(code)
}

// alone waits until this is the only goroutine: net/http's goroutines end only after their connection is
// closed. It returns false after the timeout.
func alone(timeout time.Duration) bool {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(timeout); runtime.NumGoroutine() > 1 && time.Now().Before(end); {
		<-tick.C
	}
	return runtime.NumGoroutine() <= 1
}
