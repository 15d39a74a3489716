package access

import (
	"encoding/base64"
	"regexp"
	"strings"
)

// Logs and answers should not repeat a token that somebody has put where none belongs: into a path, a method, a topic or the ID of a request.

// compact is what a token looks like (RFC 7515, section 3.1), and the name of some hosts.
var compact = regexp.MustCompile(`([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+\.[A-Za-z0-9_.-]*`)

// begun is what the beginning of a token looks like, as in a text that was cut: {" is eyJ in base64.
var begun = regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{8,}[A-Za-z0-9_.-]*`)

// HasToken reports whether there may be a token in a text, or a part of one. It rather reports one too many.
func HasToken(text string) bool { return strings.Contains(text, "eyJ") || HideTokens(text) != text }

// HideTokens returns a text in which "redacted" stands for each token, and for each part that begins as one does.
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

// isHeader reports whether a text is the header of a token, which is JSON in base64. White space may be before it.
func isHeader(text string) bool {
	header, err := base64.RawURLEncoding.DecodeString(text)
	return err == nil && strings.HasPrefix(strings.TrimSpace(string(header)), "{")
}
