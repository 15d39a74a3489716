package fanout

import "testing"

// paused is a socket whose writes block.
type paused struct{ until, written chan struct{} }

func (p *paused) Write([]byte) error {
	<-p.until
	p.written <- struct{}{}
	return nil
}

func (*paused) Abort() {}
func (*paused) Close() {}

// TestBlockedRunnerDelaysNoOthers although runners share goroutines.
func TestBlockedRunnerDelaysNoOthers(t *testing.T) {
	f, _ := start(t)
	never, now, written := make(chan struct{}), make(chan struct{}), make(chan struct{})
	close(now)
	const each = 10
	for range each {
		stream(t, f, subscription()).Serve(&paused{never, written})
		stream(t, f, subscription()).Serve(&paused{now, written})
	}
	for range each {
		<-written
	}
	close(never)
	for range each {
		<-written
	}
	go func() {
		for range written { // the writes that succeed when the test ends
		}
	}()
}
