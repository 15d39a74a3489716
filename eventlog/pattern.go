package eventlog

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// MaxName is the maximum size of native topics and of patterns, in bytes.
const MaxName = 1024

// MaxSegments is the maximum number of segments of a pattern with wildcards. Topics may have more; a pattern that ends with **
// matches them.
const MaxSegments = 64

// CheckName returns an *InvalidError or *SizeError if topic is not a native topic. A native topic has 1 to 1,024 bytes of UTF-8
// in Unicode Normalization Form C, without control and format characters (Cc, Cf). None of its segments between slashes is * or
// **.
//
// A log accepts other topics too, but only native ones are meant for a [Pattern]. A pattern compares bytes, so that a wildcard
// also matches a stored topic that is not in NFC.
func CheckName(topic string) error {
	if err := checkText("topic", topic); err != nil {
		return err
	}
	for segment := range strings.SplitSeq(topic, "/") {
		if segment == "*" || segment == "**" {
			return &InvalidError{What: "topic", Value: topic, Reason: "its segment " + segment + " would be a pattern"}
		}
	}
	return nil
}

// Reserved reports whether the first segment of a topic begins with $. The hub uses such topics for itself. No pattern that
// begins with a wildcard matches them.
func Reserved(topic string) bool { return strings.HasPrefix(topic, "$") }

func checkText(what, text string) error {
	switch {
	case text == "":
		return &InvalidError{What: what, Reason: "it is empty"}
	case len(text) > MaxName:
		return &SizeError{What: what, Size: len(text), Max: MaxName}
	case isPrintable(text):
		return nil // ASCII is UTF-8 and in NFC
	}
	return checkUnicode(what, text)
}

// checkUnicode is checkText for a text with other characters than ASCII. Normalization needs much stack, which each goroutine that answers a
// request would grow for, if it were a part of checkText.
func checkUnicode(what, text string) error {
	if !utf8.ValidString(text) {
		return &InvalidError{What: what, Value: text, Reason: "it is not UTF-8"}
	}
	for i, c := range text {
		if (c < ' ' || c > '~') && unicode.In(c, unicode.Cc, unicode.Cf) {
			return &InvalidError{What: what, Value: text, Reason: fmt.Sprintf("%U at byte %d is a control or format character", c, i)}
		}
	}
	return CheckNFC(what, text)
}

// isPrintable reports whether a text has only printable ASCII characters.
func isPrintable(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}

// CheckNFC returns an *InvalidError if a text is not in Unicode Normalization Form C (UAX #15). Names that differ only in their
// form look the same but would be different topics. A publisher and a subscriber could then miss each other. The error has the
// normalized text. What names the text in the error, such as "topic".
func CheckNFC(what, text string) error {
	if norm.NFC.QuickSpanString(text) == len(text) || norm.NFC.IsNormalString(text) { // the first check allocates nothing
		return nil
	}
	at, found, want := notNFC(text)
	return &InvalidError{
		What: what, Value: text,
		Reason: fmt.Sprintf("it is not in Unicode Normalization Form C (NFC); write %.300q instead, which has %+q at byte %d and not %+q",
			norm.NFC.String(text), want, at, found),
	}
}

// notNFC returns the offset of the first characters that are not in NFC, those characters, and their normalized form.
func notNFC(text string) (at int, found, want string) {
	for at = norm.NFC.QuickSpanString(text); at < len(text); at += len(found) {
		found = text[at:]
		if n := norm.NFC.NextBoundaryInString(found, true); n > 0 {
			found = found[:n]
		}
		if want = norm.NFC.String(found); want != found {
			break
		}
	}
	return at, found, want
}

// Pattern is a set of topics. It is written like a topic, with wildcards as segments. * matches one segment, also an empty one.
// ** matches any number of segments, also none, and is allowed only at the end.
//
//	sensors/*/temperature    one kind of reading from all sensors
//	news/**                  news, news/sports, news/sports/tennis
//	**                       everything
//
// A wildcard as the first segment does not match [Reserved] topics. The zero Pattern matches nothing.
type Pattern struct{ text string }

// ParsePattern parses a pattern. Without wildcards it matches the topic of that name. With wildcards it has at most MaxSegments
// segments. The error is an *InvalidError or a *SizeError.
func ParsePattern(text string) (Pattern, error) {
	if err := checkText("pattern", text); err != nil {
		return Pattern{}, err
	}
	for i, segment := 0, ""; i <= len(text); i += len(segment) + 1 {
		segment, _, _ = strings.Cut(text[i:], "/")
		switch {
		case segment == "**" && i+len(segment) < len(text):
			return Pattern{}, &InvalidError{What: "pattern", Value: text, Reason: "** can only be its last segment"}
		case strings.Contains(segment, "*") && segment != "*" && segment != "**":
			return Pattern{}, &InvalidError{
				What: "pattern", Value: text,
				Reason: "a * has to be a whole segment; a topic with a * in its name can be asked for by its exact name only",
			}
		}
	}
	if n := strings.Count(text, "/") + 1; n > MaxSegments && IsPattern(text) {
		return Pattern{}, &InvalidError{
			What: "pattern", Value: text,
			Reason: fmt.Sprintf("it has %d segments, and a pattern with wildcards has at most %d; end it with ** for deeper topics", n, MaxSegments),
		}
	}
	return Pattern{text}, nil
}

// MustPattern is ParsePattern for patterns in source code. It panics if text is invalid.
func MustPattern(text string) Pattern {
	p, err := ParsePattern(text)
	if err != nil {
		panic(err)
	}
	return p
}

// IsPattern reports whether a text has wildcards, if ParsePattern accepts it.
func IsPattern(text string) bool { return strings.Contains(text, "*") }

// String returns the pattern as it was parsed.
func (p Pattern) String() string { return p.text }

// Prefix returns the text with which all matching topics begin. An index needs to search only topics with this prefix.
func (p Pattern) Prefix() string {
	literal, rest, _ := strings.Cut(p.text, "*")
	if rest == "*" { // a/** matches a
		return strings.TrimSuffix(literal, "/")
	}
	return literal
}

// Match reports whether the pattern matches a topic. It allocates nothing and takes time linear in the shorter of the two.
func (p Pattern) Match(topic string) bool {
	if p.text == "" || topic == "" || p.text[0] == '*' && Reserved(topic) {
		return false
	}
	pattern, more := p.text, true
	for more {
		var want, got string
		if want, pattern, more = strings.Cut(pattern, "/"); want == "**" {
			return true
		}
		var rest bool
		got, topic, rest = strings.Cut(topic, "/")
		switch {
		case want != "*" && want != got:
			return false
		case !rest:
			return !more || pattern == "**"
		}
	}
	return false // the topic has more segments
}

// Covers reports whether p matches every topic that another pattern matches. It allocates nothing and takes time linear in the
// shorter of the two.
func (p Pattern) Covers(other Pattern) bool {
	if p.text == "" || other.text == "" || p.text[0] == '*' && Reserved(other.text) {
		return false
	}
	mine, theirs := p.text, other.text
	for rest := true; ; {
		var segment, covered string
		var more bool
		if segment, mine, more = strings.Cut(mine, "/"); segment == "**" {
			return true
		}
		if !rest {
			return false
		}
		covered, theirs, rest = strings.Cut(theirs, "/")
		switch {
		case covered == "**" || segment != "*" && segment != covered:
			return false
		case !more:
			return !rest
		}
	}
}

// Overlaps reports whether at least one topic matches both p and another pattern.
func (p Pattern) Overlaps(other Pattern) bool {
	switch {
	case p.text == "" || other.text == "":
		return false
	case p.text[0] == '*' && Reserved(other.text) || other.text[0] == '*' && Reserved(p.text):
		return false
	}
	mine, theirs := strings.Split(p.text, "/"), strings.Split(other.text, "/")
	for i := 0; ; i++ {
		switch inMine, inTheirs := i < len(mine), i < len(theirs); {
		case inMine && mine[i] == "**" || inTheirs && theirs[i] == "**":
			return true
		case !inMine || !inTheirs:
			return inMine == inTheirs
		case mine[i] != theirs[i] && mine[i] != "*" && theirs[i] != "*":
			return false
		}
	}
}
