// Package dialecttest proves by tests that a [hub.Dialect] outside package hub can have what the native dialect has. Its dialect is small and
// unlike the native one: events are lines of plain text, heartbeats are empty lines, there are no checkpoints, topics are selected by a matcher
// of its own kind, and a filter hides private events.
package dialecttest
