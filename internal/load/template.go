package load

import (
	"net/url"
	"strconv"
	"strings"
)

// topicName returns the name of a topic.
func (o *Options) topicName(n int) string { return strings.ReplaceAll(o.Topic, "{n}", strconv.Itoa(n)) }

// urlFor fills in a topic: in a path a slash stays one, in a query it is escaped as all else.
func urlFor(template, topic string) string {
	path, query, found := strings.Cut(template, "?")
	path = strings.ReplaceAll(path, "{topic}", (&url.URL{Path: topic}).EscapedPath())
	if !found {
		return path
	}
	return path + "?" + strings.ReplaceAll(query, "{topic}", url.QueryEscape(topic))
}
