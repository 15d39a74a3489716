package access

import (
	"encoding/base64"
	"regexp"
	"strings"
)

// Clients sometimes put a token where none belongs: into a path, a method, a topic or a request ID. Logs and answers must not repeat it.

// compact matches tokens in the compact form (RFC 7515, section 3.1), and also some host names.
var compact = regexp.MustCompile(`([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+\.[A-Za-z0-9_.-]*`)

// begun matches the beginning of a truncated token: {" is eyJ in base64.
var begun = regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{8,}[A-Za-z0-9_.-]*`)

// HasToken reports whether a text may contain a token or the beginning of one. It may also report a text that has none.
func HasToken(text string) bool { return strings.Contains(text, "eyJ") || HideTokens(text) != text }

// HideTokens replaces each token in a text, and each beginning of one, by "redacted".
func HideTokens(text string) string {
	if strings.IndexByte(text, '.') >= 0 {
		text = compact.ReplaceAllStringFunc(text, func(found string) string {
			head, _, _ := strings.Cut(found, ".")
			if isHeader(head) {
				return "redacted"
			}
			return found
		})
	}
	if strings.Contains(text, "eyJ") {
		text = begun.ReplaceAllString(text, "redacted")
	}
	return text
}

// isHeader reports whether a text is the header of a token: a JSON object in base64, possibly after white space.
func isHeader(text string) bool {
	header, err := base64.RawURLEncoding.DecodeString(text)
	return err == nil && strings.HasPrefix(strings.TrimSpace(string(header)), "{")
}
