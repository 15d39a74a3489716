package pathtopic_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub/internal/pathtopic"
)

// FuzzPathTopic: a path either is refused, or every proxy on its way reads the same topic in it.
func FuzzPathTopic(f *testing.F) {
	for _, path := range []string{"news", "a/b", "a%20b/%C3%BC", "a%2Fb", "a//b", "./a", "a/%2e%2E", "a/", "100%25", "%", "ü\"%2f", "a%00b"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		topic, err := pathtopic.Parse(path)
		if err != nil {
			if topic != "" || len(err.Error()) > 3*eventlog.MaxName+200 {
				t.Errorf("%q is %q, and refused by %d bytes: %.300v", path, topic, len(err.Error()), err)
			}
			return
		}
		if len(topic) > eventlog.MaxName {
			return // refused because of its size
		}
		var escaped []string
		for segment := range strings.SplitSeq(topic, "/") {
			if segment == "" || segment == "." || segment == ".." {
				t.Errorf("%q is the topic %q", path, topic)
			}
			escaped = append(escaped, url.PathEscape(segment))
		}
		if strings.Count(path, "/") != len(escaped)-1 {
			t.Errorf("%q and its topic %q differ in their segments", path, topic)
		}
		if again, err := pathtopic.Parse(strings.Join(escaped, "/")); err != nil || again != topic {
			t.Errorf("%q is %q, which is %q, %v", path, topic, again, err)
		}
	})
}
