//go:build programs

package redislog_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// documentedUser returns the ACL command of docs/cluster-redis.md.
func documentedUser(t *testing.T) (args []any) {
	t.Helper()
	text, err := os.ReadFile("../../../docs/cluster-redis.md")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^(ACL SETUSER (?:.*\\\n)*.*)$`).FindString(string(text))
	if line == "" {
		t.Fatal("docs/cluster-redis.md has no ACL SETUSER")
	}
	for word := range strings.FieldsSeq(strings.ReplaceAll(line, "\\\n", " ")) {
		args = append(args, word)
	}
	return args
}
