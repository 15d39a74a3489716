// Package plain makes the texts of errors fit for people. The errors of our packages begin with the name of their package, as Go programmers
// expect. Operators, publishers and readers of a log do not know the packages.
package plain

import "regexp"

// Text returns the text of an error without the names of our packages, also where one error wraps another. What the text quotes stays as it is.
func Text(text string) string {
	return quotedOrName.ReplaceAllString(text, "$1")
}

// quotedOrName matches a quoted text, which is not ours, or the names of packages where an error begins: at the beginning of the text, or after
// the words of an error that wraps it.
var quotedOrName = regexp.MustCompile(`("(?:[^"\\]|\\.)*"|^|: |; |\n|\()(?:(?:access|cluster|eventlog|hub|natslog|natsnode|peers|redislog|sse|tidings): )*`)
