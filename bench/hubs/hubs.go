// Package hubs compares the hub with the simplest server on net/http. The server runs on one core, the load generator on another.
//
// The package has only benchmarks.
package hubs
