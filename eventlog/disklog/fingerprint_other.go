//go:build !linux

package disklog

// fingerprint would tell a file from a copy of it. Here nothing is known: who restores a copy says so, with
// tidings log restored.
func fingerprint(string) string { return "" }
