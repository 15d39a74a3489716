// Package pathtopic reads the topic in the path of a request, as in /events/news. Proxies may clean a path or decode it. Parse refuses a path
// in which that would change the topic. Such a topic goes into a parameter, which proxies do not change.
//
// It is a package of its own so that its fuzz target is fast. After every input, the fuzzer walks the counters of all packages in the test
// program. The tests of the hub have ten times as many.
package pathtopic

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/tidings-sse/tidings/eventlog"
)

// Parse returns the topic or pattern in an escaped path below /events/. The error says how to send it instead.
func Parse(escaped string) (string, error) {
	topic, err := url.PathUnescape(escaped)
	if err != nil {
		return "", fmt.Errorf("the path cannot be read: %w", err)
	}
	why := ""
	for segment := range strings.SplitSeq(escaped, "/") {
		switch plain, _ := url.PathUnescape(segment); {
		case segment == "":
			why = "has an empty segment"
		case plain == "." || plain == "..":
			why = "has a segment of dots"
		case strings.Contains(plain, "/"):
			why = "has an escaped slash"
		}
	}
	if why != "" && len(topic) <= eventlog.MaxName { // a longer one is refused in any form
		return "", fmt.Errorf("the path %s, which proxies may change; send the topic as a parameter:  /events?topic=%s", why, url.QueryEscape(topic))
	}
	return strings.Clone(topic), nil // a part of the path would keep all of the request in memory
}
