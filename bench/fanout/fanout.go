// Package fanout measures how hubs deliver to many: Tidings beside a loop in C that does nothing but send (yardstick.c), a loop
// over channels in net/http, Nchan and Centrifugo, all under tidings bench, in the same run.
//
// The hub has core 0, the load core 1. Nchan is measured if nginx and its module are there (on Debian nginx-light and
// libnginx-mod-nchan), Centrifugo if it is in the PATH (go install github.com/centrifugal/centrifugo/v6@latest). Who is not there
// is left out, and said. Mercure is no longer to be had from the Go module proxy.
//
// It holds nothing but benchmarks, and what they need. Each runs for -benchtime, once:
//
//	go test -run '^$' -bench 'Steady/.*/by=tidings' -benchtime 5s ./fanout
package fanout
