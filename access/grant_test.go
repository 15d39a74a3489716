package access_test

import (
	"testing"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
)

func TestGrantAllowsOnlyWhatItLists(t *testing.T) {
	g := access.Grant{
		Publish:   []eventlog.Pattern{eventlog.MustPattern("news/*")},
		Subscribe: []eventlog.Pattern{eventlog.MustPattern("news/**"), eventlog.MustPattern("weather/paris")},
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
