// Package hubs measures the hub beside the plainest server that net/http can be: one core for the server, one for the load.
//
// It holds nothing but benchmarks, and what they need.
package hubs
