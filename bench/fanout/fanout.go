// Package fanout measures how hubs deliver events to many subscribers. It compares Tidings with a C program that only calls send
// (yardstick.c), a loop over channels in net/http, Nchan and Centrifugo, all under tidings bench in the same run.
//
// The hub runs on core 0, the load generator on core 1. Nchan takes part if nginx and its module are installed (on Debian nginx-light and
// libnginx-mod-nchan), Centrifugo if it is in the PATH (go install github.com/centrifugal/centrifugo/v6@latest), and the yardstick over TLS if
// OpenSSL's headers are installed (on Debian libssl-dev). The output names contestants that are missing. Mercure could not be built where we
// measured.
//
// The package has only benchmarks. Each runs once, for -benchtime:
//
//	go test -run '^$' -bench 'Steady/.*/by=tidings' -benchtime 5s ./fanout
package fanout
