package access

import (
	"encoding/base64"
	"regexp"
	"strings"
)

// Clients sometimes put a token where none belongs: into a path, a method, a topic or a request ID. Logs and answers must not repeat it.

// dotted matches tokens in the compact form (RFC 7515, section 3.1), possibly truncated, and also host names.
var dotted = regexp.MustCompile(`[A-Za-z0-9_-]+\.[A-Za-z0-9_.-]*`)

// begun matches the beginning of a truncated token: {" is eyJ in base64.
var begun = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}[A-Za-z0-9_.-]*`)

// HasToken reports whether a text may contain a token or the beginning of one. It may also report a text that has none.
func HasToken(text string) bool { return strings.Contains(text, "eyJ") || HideTokens(text) != text }

// HideTokens replaces each token in a text, and each beginning of one, by "redacted". A token ends where no character of one follows. A
// token may begin in the middle of what looks like one: after %2F, the F looks like its first character.
func HideTokens(text string) string {
	if strings.IndexByte(text, '.') >= 0 {
		text = dotted.ReplaceAllStringFunc(text, func(found string) string {
			if at := findHeader(found); at >= 0 {
				return found[:at] + "redacted"
			}
			return found
		})
	}
	if strings.Contains(text, "eyJ") {
		text = begun.ReplaceAllString(text, "redacted")
	}
	return text
}

// minHeader is the length of {"alg":""} in base64: no header is shorter.
const minHeader = 14

// findHeader returns where the header of a token begins in a text of parts between dots, -1 if there is none.
func findHeader(text string) int {
	at := 0
	for part := range strings.SplitSeq(text, ".") {
		for i := 0; i+minHeader <= len(part) && at+len(part) < len(text); i++ { // a dot follows a header
			if isHeader(part[i:]) {
				return at + i
			}
		}
		at += len(part) + 1
	}
	return -1
}

// isHeader reports whether a text is the header of a token: a JSON object in base64, possibly with white space where JSON allows it.
func isHeader(text string) bool {
	if strings.IndexByte("ICDe", text[0]) < 0 { // the first letters of a space, a tab or line feed, a carriage return and a brace in base64
		return false
	}
	text = text[:min(len(text), 64)] // is enough for the white space
	header, err := base64.RawURLEncoding.DecodeString(text[:len(text)/4*4])
	const space = " \t\r\n"
	object, ok := strings.CutPrefix(strings.TrimLeft(string(header), space), "{")
	return err == nil && ok && strings.HasPrefix(strings.TrimLeft(object, space), `"`)
}
