package eventlog_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidings-sse/tidings/eventlog"
)

func TestPatternsMatchSegments(t *testing.T) {
	tests := []struct {
		pattern  string
		yes, not string // topics, separated by spaces
	}{
		{"a", "a", "A a/ /a b aa"},
		{"a/b", "a/b", "a a/b/ a/b/c"},
		{"*", "a b", "a/b / $own"},
		{"a/*", "a/b a/", "a a/b/c b/b /a"},
		{"a/*/c", "a/b/c a//c", "a/c a/b/c/d a/b/d"},
		{"*/b", "a/b /b", "b a/b/c $own/b"},
		{"**", "a a/b / //", "$own $own/a $"},
		{"a/**", "a a/ a/b a/b/c a//", "ab b a$ b/a"},
		{"a/*/**", "a/b a/b/c a/", "a b/c"},
		{"*/**", "a a/b a/b/c", "$own/a"},
		{"$own/*", "$own/a $own/", "$own own/a"},
		{"$own/**", "$own $own/a/b", "a"},
		{"a/$x", "a/$x", "a/x"},
		{"https://example.com/books/*", "https://example.com/books/1", "https://example.com/books https:/example.com/books/1"},
		{"https://**", "https:/ https:// https://x", "https: http://x"},
	}
	for _, test := range tests {
		p := eventlog.MustPattern(test.pattern)
		for topic := range strings.SplitSeq(test.yes, " ") {
			if !p.Match(topic) {
				t.Errorf("%s does not match %q", p, topic)
			}
		}
		for topic := range strings.SplitSeq(test.not, " ") {
			if p.Match(topic) {
				t.Errorf("%s matches %q", p, topic)
			}
		}
		if p.Match("") {
			t.Errorf("%s matches the empty topic", p)
		}
	}
	if (eventlog.Pattern{}).Match("a") {
		t.Error("the zero pattern matches something")
	}
}

func TestMisplacedStarsAreRefusedWithARemedy(t *testing.T) {
	for _, text := range []string{"a*", "*a", "a*b/c", "a/b*", "***", "a/***", "**/a", "a/**/b", "**/**", "a/** "} {
		_, err := eventlog.ParsePattern(text)
		if !errors.Is(err, eventlog.ErrInvalid) || !strings.Contains(err.Error(), text) {
			t.Errorf("%q: %v", text, err)
		}
	}
	_, err := eventlog.ParsePattern("a*b")
	if err == nil || !strings.Contains(err.Error(), "exact name") {
		t.Errorf("%v does not say how to ask for a topic with a star in its name", err)
	}
}

func TestNamesAndPatternsAreTextWithoutControlCharacters(t *testing.T) {
	for text, want := range map[string]error{
		"": eventlog.ErrInvalid, "a\nb": eventlog.ErrInvalid, "a\x00": eventlog.ErrInvalid, "a\u007f": eventlog.ErrInvalid, "a\u0085": eventlog.ErrInvalid,
		"a\u200b": eventlog.ErrInvalid, "\u202ea": eventlog.ErrInvalid, "\ufeffa": eventlog.ErrInvalid, "a\xff": eventlog.ErrInvalid, "\xed\xa0\x80": eventlog.ErrInvalid,
		strings.Repeat("x", eventlog.MaxName+1): eventlog.ErrTooLarge, strings.Repeat("x", eventlog.MaxName): nil,
		"a": nil, "/": nil, "//": nil, "a/": nil, "ä ö/ü": nil, "https://example.com/books/1?x=1#y": nil, "a b": nil, "日本": nil, "$own": nil,
	} {
		if err := eventlog.CheckName(text); !errors.Is(err, want) {
			t.Errorf("topic %.20q: %v, want %v", text, err, want)
		}
		if _, err := eventlog.ParsePattern(text); !errors.Is(err, want) {
			t.Errorf("pattern %.20q: %v, want %v", text, err, want)
		}
	}
}

func TestNoSegmentOfANativeTopicIsAWildcard(t *testing.T) {
	for _, topic := range []string{"*", "**", "a/*", "*/a", "a/**/b"} {
		if err := eventlog.CheckName(topic); !errors.Is(err, eventlog.ErrInvalid) {
			t.Errorf("%q: %v", topic, err)
		}
	}
	for _, topic := range []string{"a*", "***", "a/*b", "a**"} {
		if err := eventlog.CheckName(topic); err != nil {
			t.Errorf("%q: %v", topic, err)
		}
	}
}

func TestPrefixBeginsEveryMatch(t *testing.T) {
	for pattern, want := range map[string]string{
		"a": "a", "a/b": "a/b", "a/*": "a/", "a/**": "a", "a/*/b": "a/", "*": "", "**": "", "*/a": "", "a/*/**": "a/", "$x/**": "$x", "/**": "",
	} {
		if got := eventlog.MustPattern(pattern).Prefix(); got != want {
			t.Errorf("the prefix of %s is %q, want %q", pattern, got, want)
		}
	}
}

func TestMatchingAllocatesNothing(t *testing.T) {
	p := eventlog.MustPattern("a/*/c/**")
	if n := testing.AllocsPerRun(100, func() { p.Match("a/b/c/d/e/f") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestNamesAndPatternsAreInNFC(t *testing.T) {
	for text, nfc := range map[string]string{
		"cafe\u0301": "caf\u00e9", "a/o\u0308/**": "a/\u00f6/**", "*/\u212b": "*/\u00c5", "\u1100\u1161": "\uac00", "q\u0307\u0323": "q\u0323\u0307",
	} {
		_, err := eventlog.ParsePattern(text)
		if !errors.Is(err, eventlog.ErrInvalid) || !strings.Contains(err.Error(), `"`+nfc+`"`) {
			t.Errorf("pattern %+q: %v", text, err)
		}
		if _, err := eventlog.ParsePattern(nfc); err != nil {
			t.Errorf("pattern %+q: %v", nfc, err)
		}
		if eventlog.IsPattern(text) {
			continue
		}
		if err := eventlog.CheckName(text); !errors.Is(err, eventlog.ErrInvalid) || !strings.Contains(err.Error(), `"`+nfc+`"`) {
			t.Errorf("topic %+q: %v", text, err)
		}
		if err := eventlog.CheckName(nfc); err != nil {
			t.Errorf("topic %+q: %v", nfc, err)
		}
	}
}

// TestCheckingANameAllocatesNothing: neither for ASCII nor for other text.
func TestCheckingANameAllocatesNothing(t *testing.T) {
	for _, name := range []string{"sensors/7/temperature", "https://example.com/books/1?x=y", "menu/caf\u00e9/\u65e5\u672c", strings.Repeat("\u00e4", 500)} {
		if n := testing.AllocsPerRun(100, func() {
			if err := eventlog.CheckName(name); err != nil {
				t.Fatal(err)
			}
			if _, err := eventlog.ParsePattern(name); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%.30q: %v allocations", name, n)
		}
	}
}

// BenchmarkCheckName measures the check of a topic, which each publish needs.
func BenchmarkCheckName(b *testing.B) {
	for _, name := range []string{"sensors/7/temperature", "sensors/7/temp\u00e9rature"} {
		b.Run(fmt.Sprintf("%+q", name), func(b *testing.B) {
			for b.Loop() {
				if err := eventlog.CheckName(name); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// slowly is a simple, slow implementation of Match.
func matchSimply(pattern, topic string) bool {
	want, got := strings.Split(pattern, "/"), strings.Split(topic, "/")
	if topic == "" || strings.HasPrefix(want[0], "*") && strings.HasPrefix(got[0], "$") {
		return false
	}
	if last := len(want) - 1; want[last] == "**" {
		if len(got) < last {
			return false
		}
		want, got = want[:last], got[:last]
	}
	return slices.EqualFunc(want, got, func(w, g string) bool { return w == "*" || w == g })
}

func FuzzPatternMatch(f *testing.F) {
	f.Add("a/*/c", "a/b/c")
	f.Add("a/**", "a")
	f.Add("**", "$x")
	f.Add("*//**", "//")
	f.Add("/**", "")
	f.Fuzz(func(t *testing.T, text, topic string) {
		p, err := eventlog.ParsePattern(text)
		if !eventlog.IsPattern(text) && (err == nil) != (eventlog.CheckName(text) == nil) {
			t.Errorf("%q is a pattern: %v; a topic: %v", text, err, eventlog.CheckName(text))
		}
		if err != nil {
			return
		}
		got := p.Match(topic)
		if want := matchSimply(text, topic); got != want {
			t.Errorf("%q matches %q: %v, want %v", text, topic, got, want)
		}
		if got && !strings.HasPrefix(topic, p.Prefix()) {
			t.Errorf("%q matches %q, which does not begin with %q", text, topic, p.Prefix())
		}
	})
}

func TestSelectorIsAUnion(t *testing.T) {
	s := eventlog.Select([]string{"b", "a", "b"}, eventlog.MustPattern("c/**"))
	for topic, want := range map[string]bool{"a": true, "b": true, "c": true, "c/d": true, "d": false, "": false, "A": false} {
		if s.Match(topic) != want {
			t.Errorf("the selector matches %q: %v", topic, !want)
		}
	}
	if diff := cmp.Diff([]string{"a", "b"}, s.Names()); diff != "" {
		t.Error(diff)
	}
	if !s.MatchRecord(&eventlog.Record{Topics: []string{"x", "c/d"}}) || s.MatchRecord(&eventlog.Record{Topics: []string{"x", "d"}}) {
		t.Error("a record is wanted if one of its topics is")
	}
	if s.All() || !eventlog.Everything().All() || !eventlog.Everything().Match("$own") || eventlog.Everything().Match("") != true {
		t.Error("All is wrong for Everything or for another selector")
	}
	if (eventlog.Selector{}).Match("a") {
		t.Error("the zero selector selects a topic")
	}
}

func TestFiltersCombine(t *testing.T) {
	even := func(r *eventlog.Record) bool { return r.Seq%2 == 0 }
	large := func(r *eventlog.Record) bool { return r.Seq > 10 }
	s := eventlog.Topics("a")
	both := s.Filter(even).Filter(large)
	for seq, want := range map[uint64]bool{2: false, 11: false, 12: true} {
		if got := both.Keep(&eventlog.Record{Seq: seq}); got != want {
			t.Errorf("%d is kept: %v", seq, got)
		}
	}
	if !s.Keep(&eventlog.Record{}) || s.Filtered() || !both.Filtered() {
		t.Error("a selector without a filter has got one")
	}
}

func TestPrefixesCoveredByOthersAreLeftOut(t *testing.T) {
	var matchers []eventlog.Matcher
	for _, text := range []string{"b/*", "a/x/*", "a/**", "ab/*", "c", "b/c/*"} {
		matchers = append(matchers, eventlog.MustPattern(text))
	}
	if diff := cmp.Diff([]string{"a", "b/", "c"}, eventlog.Select(nil, matchers...).Prefixes()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{""}, eventlog.Select(nil, append(matchers, eventlog.MustPattern("**"))...).Prefixes()); diff != "" {
		t.Error(diff)
	}
}

func TestPatternsOverlapIfATopicMatchesBoth(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want bool
	}{
		{"news", "news", true},
		{"news", "newt", false},
		{"news", "news/sports", false},
		{"news/**", "news", true},
		{"news/**", "news/*", true},
		{"news/*", "news", false},
		{"news/*", "news/", true},
		{"a/*/c", "*/b/*", true},
		{"a/*/c", "*/b/d", false},
		{"a/*", "*/*/*", false},
		{"a/**", "*/b/**", true},
		{"a/**", "b/**", false},
		{"**", "a/b/c", true},
		{"**", "*", true},
		{"**", "$tidings/x", false},
		{"*/x", "$tidings/*", false},
		{"$tidings/**", "$tidings/x", true},
		{"", "", false},
	} {
		a, _ := eventlog.ParsePattern(test.a)
		b, _ := eventlog.ParsePattern(test.b)
		if a.Overlaps(b) != test.want || b.Overlaps(a) != test.want {
			t.Errorf("%q and %q: %v and %v, want %v", test.a, test.b, a.Overlaps(b), b.Overlaps(a), test.want)
		}
	}
}
