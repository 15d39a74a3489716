package main

import (
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/internal/address"
	"github.com/tidings-sse/tidings/internal/wire"
	"github.com/tidings-sse/tidings/sse"
)

// choose decides what to subscribe to: topics of a hub, the URL of a stream, or standard input.
func (c *subCmd) choose() error {
	switch args := c.Args; {
	case len(args) > 0 && args[0] == "-" && len(args)+len(c.Topics) > 1:
		return errors.New("standard input is one stream and has no topics")
	case len(c.Topics) == 0 && len(args) == 1 && (args[0] == "-" || isStream(args[0])):
		return c.chooseStream(args[0])
	}
	named, rest, err := c.take(c.Args)
	if err != nil {
		return err
	}
	if err := checkTopics(rest...); err != nil {
		return err
	}
	c.topics = slices.Concat(named, rest, c.Topics)
	switch {
	case len(c.topics) == 0:
		return errors.New("say what to subscribe to: a topic, such as news, or the URL of a stream\nhint: tidings sub --help")
	case c.Since != "" && c.Last != 0:
		return errors.New("--since and --last exclude each other")
	}
	return nil
}

// isStream reports whether a single argument is the URL of a stream.
func isStream(arg string) bool { return address.Is(arg) && !strings.HasPrefix(arg, unixPrefix) }

func (c *subCmd) chooseStream(arg string) error {
	if c.Since != "" || c.Last != 0 {
		return errors.New("--since and --last are for topics of a hub; put them into the URL instead")
	}
	c.stream = arg
	return c.oneHub(arg)
}

// byTopic reports whether the subscription is to topics of a hub, rather than to another stream.
func (c *subCmd) byTopic() bool { return len(c.topics) > 0 }

// exactTopics returns the topics, nil if one of them is a pattern.
func (c *subCmd) exactTopics() map[string]bool {
	if !c.byTopic() || slices.ContainsFunc(c.topics, eventlog.IsPattern) {
		return nil
	}
	topics := map[string]bool{}
	for _, t := range c.topics {
		topics[t] = true
	}
	return topics
}

// address returns the URL of the stream and the address of its hub, the zero value for another server.
func (c *subCmd) address() (*url.URL, address.Hub, error) {
	if !c.byTopic() {
		u, err := address.Parse(c.stream)
		return u, address.Hub{}, err
	}
	h, err := c.hub()
	if err != nil {
		return nil, h, err
	}
	query := url.Values{wire.ParamTopic: c.topics, wire.ParamFormat: {wire.FormatEnvelope}}
	if c.Since != "" {
		query.Set(wire.ParamSince, c.Since)
	}
	if c.Last > 0 {
		query.Set(wire.ParamLast, strconv.Itoa(c.Last))
	}
	u := h.URL.JoinPath("events")
	u.RawQuery = query.Encode()
	return u, h, nil
}

// message is an event to print. An event from a hub has a topic, the time when the hub stored it, and its envelope.
type message struct {
	sse.Event
	topic    string
	time     time.Time
	envelope string
}

// unwrap takes an event out of its envelope. Events without an envelope, such as control events, stay unchanged.
func unwrap(e sse.Event) message {
	m := message{Event: e}
	if wire.IsControl(e.Type) {
		return m
	}
	if envelope, err := wire.ParseEnvelope(e.Data); err == nil {
		m.envelope, m.topic, m.time, m.Data = e.Data, envelope.Topic, envelope.Time, envelope.Data
	}
	return m
}
