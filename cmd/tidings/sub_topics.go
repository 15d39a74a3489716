package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/sse"
)

// hubFlags say which hub is meant. The commands that speak with one share them.
type hubFlags struct {
	Hub   string `group:"Which hub" env:"TIDINGS_HUB" placeholder:"URL" help:"The hub; http://localhost:3000 if not given."`
	Token string `group:"Which hub" env:"TIDINGS_TOKEN" placeholder:"TOKEN" help:"The token that says who you are."`
}

const defaultHub = "http://localhost:3000"

// base returns the hub's URL, without a slash at its end.
func (h *hubFlags) base() (*url.URL, error) {
	u, err := parseURL(cmp.Or(h.Hub, defaultHub))
	if err != nil {
		return nil, fmt.Errorf("--hub: %w", err)
	}
	u.Path, u.RawPath, u.RawQuery = strings.TrimRight(u.Path, "/"), "", ""
	return u, nil
}

// patienceWith returns how long to wait between attempts. What is on this machine is started by whoever waits, and overrun by nobody.
func patienceWith(u *url.URL) sse.Backoff {
	if loopback(u.Hostname()) {
		return sse.Backoff{Max: 2 * time.Second}
	}
	return sse.Backoff{}
}

// isTopic tells a topic from the URL of a stream: that names a scheme, or a host that has a dot, a port, or is localhost.
func isTopic(arg string) bool {
	host, _, _ := strings.Cut(arg, "/")
	return arg != "-" && host != "" && !hasScheme.MatchString(arg) && !strings.ContainsAny(host, ".:") && host != "localhost"
}

// byTopic reports whether topics of a hub are followed, and not a URL.
func (c *subCmd) byTopic() bool { return len(c.Topics) > 0 || slices.ContainsFunc(c.Streams, isTopic) }

// exactTopics are the topics that are followed, nil if there are patterns among them.
func (c *subCmd) exactTopics() map[string]bool {
	if !c.byTopic() || slices.ContainsFunc(c.Streams, eventlog.IsPattern) {
		return nil
	}
	topics := map[string]bool{}
	for _, t := range c.Streams {
		topics[t] = true
	}
	return topics
}

// validateTopics refuses what makes no sense about topics and streams.
func (c *subCmd) validateTopics() error {
	topics := slices.Clone(c.Topics)
	for _, arg := range c.Streams {
		if isTopic(arg) {
			topics = append(topics, arg)
		} else if c.byTopic() || len(c.Streams) > 1 {
			return fmt.Errorf("%q is a URL, of which there can be only one; topics are followed on the hub of --hub (a topic that looks like a URL goes by --topic)", arg)
		}
	}
	switch {
	case len(topics) > 0:
		c.Streams = topics
		if c.Since != "" && c.Last != 0 {
			return errors.New("--since and --last exclude each other")
		}
		return nil
	case len(c.Streams) == 0:
		return errors.New("say what to follow: a topic, such as news, or the URL of a stream\nhint: tidings sub --help")
	case c.Since != "" || c.Last != 0:
		return errors.New("--since and --last are about topics on a hub; put them into the URL instead")
	}
	return nil
}

// address returns the URL of what is to be followed.
func (c *subCmd) address() (*url.URL, error) {
	if !c.byTopic() {
		return parseURL(c.Streams[0])
	}
	u, err := c.base()
	if err != nil {
		return nil, err
	}
	query := url.Values{"topic": c.Streams, "format": {"envelope"}}
	if c.Since != "" {
		query.Set("since", c.Since)
	}
	if c.Last > 0 {
		query.Set("last", strconv.Itoa(c.Last))
	}
	u.Path += "/events"
	u.RawQuery = query.Encode()
	return u, nil
}

// message is an event as it is shown. One that came in an envelope has a topic, and the envelope.
type message struct {
	sse.Event
	topic    string
	envelope string
}

// unwrap takes an event out of its envelope. What is in none stays what it is, such as control events.
func unwrap(e sse.Event) message {
	m := message{Event: e}
	var envelope struct{ Topic, Type, Data string }
	if strings.HasPrefix(e.Type, controlPrefix) || json.Unmarshal([]byte(e.Data), &envelope) != nil {
		return m
	}
	m.envelope, m.topic, m.Data = e.Data, envelope.Topic, envelope.Data
	return m
}
