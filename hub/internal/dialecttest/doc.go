// Package dialecttest proves that a [hub.Dialect] outside package hub can do everything that the native dialect can. Its dialect, which
// exists only in tests, is small and unlike the native one: events are lines of plain text, heartbeats are empty lines, and there are no
// checkpoints. A matcher of its own kind selects topics, and a filter hides private events.
package dialecttest
