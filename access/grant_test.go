package access_test

import (
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
)

func TestGrantAllowsOnlyWhatItLists(t *testing.T) {
	g := access.Grant{
		Publish:   []eventlog.Matcher{eventlog.MustPattern("news/*")},
		Subscribe: []eventlog.Matcher{eventlog.MustPattern("news/**"), eventlog.MustPattern("weather/paris")},
	}
	for topic, want := range map[string]struct{ publish, read bool }{
		"news":            {false, true},
		"news/sports":     {true, true},
		"news/sports/ski": {false, true},
		"weather/paris":   {false, true},
		"weather":         {},
		"$hub":            {},
	} {
		if got := g.MayPublish(topic); got != want.publish {
			t.Errorf("MayPublish(%q) is %v", topic, got)
		}
		if got := g.MayRead(topic); got != want.read {
			t.Errorf("MayRead(%q) is %v", topic, got)
		}
	}
	for pattern, want := range map[string]bool{
		"news/**": true, "news/*": true, "news/sports": true, "**": false, "*/sports": false, "weather/*": false, "weather/paris": true,
	} {
		if got := g.MayFollow(eventlog.MustPattern(pattern)); got != want {
			t.Errorf("MayFollow(%q) is %v", pattern, got)
		}
	}
	if (access.Grant{}).MayRead("news") || (access.Grant{}).MayPublish("news") || (access.Grant{}).MayFollow(eventlog.MustPattern("news")) {
		t.Error("the zero grant allows something")
	}
	if all := access.Everything(); !all.MayRead("a/b") || !all.MayPublish("a") || all.MayPublish("$hub") {
		t.Error("Everything does not cover exactly the topics that are not the hub's own")
	}
}

// beginning matches the topics that begin with a text: a matcher that is no pattern.
type beginning string

func (b beginning) Prefix() string          { return string(b) }
func (b beginning) Match(topic string) bool { return strings.HasPrefix(topic, string(b)) }

// wide is a beginning that knows what it covers.
type wide struct{ beginning }

func (w wide) CoversMatcher(m eventlog.Matcher) bool {
	return strings.HasPrefix(m.Prefix(), string(w.beginning))
}

// several is a matcher that cannot be compared with ==.
type several []beginning

func (several) Prefix() string    { return "" }
func (several) Match(string) bool { return true }

// TestAGrantOfOtherMatchersAllowsNoMoreThanIsCertain: if it is not known whether one matcher covers another, the grant does not
// allow it.
func TestAGrantOfOtherMatchersAllowsNoMoreThanIsCertain(t *testing.T) {
	pattern := eventlog.MustPattern
	for _, test := range []struct {
		granted, asked eventlog.Matcher
		want           bool
	}{
		{beginning("new"), beginning("new"), true},
		{beginning("new"), beginning("news"), false}, // beginning is no Coverer
		{wide{"new"}, beginning("news"), true},
		{wide{"new"}, pattern("news/*"), true},
		{wide{"new"}, pattern("*/news"), false},
		{several{"a"}, several{"a"}, false},
		{pattern("news/**"), beginning("news/a"), true},
		{pattern("news/**"), beginning("news"), false}, // which also begins newspapers
		{pattern("news/*"), beginning("news/"), false},
		{pattern("*/**"), beginning("news/"), false},
		{pattern("**"), beginning("n"), true},
		{pattern("**"), beginning(""), false}, // topics of the hub's own
		{pattern("**"), beginning("$"), false},
		{beginning("news/"), pattern("news/a"), false},
	} {
		g := access.Grant{Subscribe: []eventlog.Matcher{test.granted}}
		if got := g.MayFollow(test.asked); got != test.want {
			t.Errorf("a grant of %T %v allows %T %v: %v", test.granted, test.granted, test.asked, test.asked, got)
		}
	}
	g := access.Grant{Publish: []eventlog.Matcher{beginning("new")}, Subscribe: []eventlog.Matcher{beginning("new")}}
	if !g.MayPublish("newest") || !g.MayRead("newest") || g.MayRead("old") {
		t.Error("a matcher is not asked for topics")
	}
}

// TestATokenGrantsPatternsOnly: a token has no text for other matchers.
func TestATokenGrantsPatternsOnly(t *testing.T) {
	signer, err := access.ParseSigner([]byte(secret), "")
	if err != nil {
		t.Fatal(err)
	}
	if token, err := signer.Mint(access.Grant{Subscribe: []eventlog.Matcher{beginning("new")}}); err == nil || !strings.Contains(err.Error(), "patterns") {
		t.Errorf("%q, %v", token, err)
	}
}
