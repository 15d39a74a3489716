package load

import (
	"net/url"
	"strconv"
	"strings"
)

// topicName returns the name of topic number n.
func (o *Options) topicName(n int) string { return strings.ReplaceAll(o.Topic, "{n}", strconv.Itoa(n)) }

// urlFor replaces {topic} in a URL. It keeps the topic's slashes in the path and escapes them in the query.
func urlFor(template, topic string) string {
	path, query, found := strings.Cut(template, "?")
	path = strings.ReplaceAll(path, "{topic}", (&url.URL{Path: topic}).EscapedPath())
	if !found {
		return path
	}
	return path + "?" + strings.ReplaceAll(query, "{topic}", url.QueryEscape(topic))
}
