// Package tidings will hold the Go client of a Tidings hub: publish to topics, follow them, be told of gaps. It is empty
// until there is a hub. What stands today is package sse, the protocol, and the command in cmd/tidings.
package tidings
