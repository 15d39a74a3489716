package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/tidings-sse/tidings/eventlog"
)

// presenceCmd is the command line of tidings presence. This file has the flags, the help and Run; presence_list.go reads the lists of the hub,
// presence_follow.go follows a topic, and presence_print.go prints.
type presenceCmd struct {
	Args []string `arg:"" optional:"" name:"topic" help:"A topic, whose members are listed; or a pattern, which selects topics. The hub's URL may come first."`

	hubFlags `embed:""`
	Topic    string `group:"Which hub" placeholder:"TOPIC" help:"The topic or pattern, also one that looks like a URL."`

	Follow  bool   `group:"What to show" short:"F" help:"Print the members, and then each change, until Ctrl-C."`
	Numbers bool   `group:"What to show" help:"Only how many subjects and streams there are, without the members."`
	Count   int    `group:"What to show" short:"n" placeholder:"N" help:"List the first N members or topics, or follow N messages; 0 for no limit."`
	Format  string `group:"What to show" short:"f" enum:"auto,table,ndjson" default:"auto" placeholder:"FORMAT" help:"table or ndjson; by default a table on a terminal, else NDJSON."`

	Join        bool   `group:"Being present" help:"Follow, and be a member of the topic meanwhile: the subject of the token."`
	Sub         string `group:"Being present" placeholder:"NAME" help:"With --join, on a hub without keys: the subject."`
	PresentData string `group:"Being present" placeholder:"JSON" help:"With --join, on a hub without keys: what others see of the subject besides, at most 256 bytes."`

	topic string // or a pattern; "" for all topics
}

// Help is the manual.
func (*presenceCmd) Help() string {
	return `
Shows who is present: the subjects whose open streams asked to be seen. For a topic it lists the members, in the order of their names;
for a pattern, or without a topic, the topics at which anyone is present. A member leaves 15 seconds after its last stream.

Formats:

    table    for people. With --follow: + for who has come, - for who has
             left, ~ for a member with other data, and the numbers
    ndjson   one line {"subject", "data"} per member, or {"topic", "streams",
             "subjects"} per topic. With --follow, one line {"topic",
             "streams", "subjects", "in", "out"} per message: the members that
             have come, or have other data, and the subjects that have left.
             "settling": true says that members may be missing

Messages come at most once a second. With more than 100 members they have only the numbers. For 15 seconds after a hub has begun to serve,
members may be missing, because they are coming back. A hub of a cluster may take longer, until it has the members of the other hubs. A line on
standard error says so.

A hub with keys requires a token that grants presence at the topic, or administration for the lists.

Examples:

    tidings presence
    tidings presence room/1
    tidings presence room/1 --numbers
    tidings presence room/1 --follow
    tidings presence room/1 --join --sub bob
    tidings presence 'room/*' --format ndjson | jq -r .topic

Exit codes:

    0     ended as asked, or the reader of the output is gone
    1     something failed
    2     wrong usage
    3     the hub refused
    130   interrupted, by Ctrl-C or another signal
`
}

// Run lists or follows.
func (c *presenceCmd) Run(ctx context.Context, std stdio) error {
	if err := c.choose(); err != nil {
		return &exitError{exitUsage, err}
	}
	hub, err := c.connect("presence")
	if err != nil {
		return &exitError{exitUsage, err}
	}
	if c.Follow {
		return c.follow(ctx, hub, std)
	}
	return c.list(ctx, hub, std)
}

// choose decides what to show, and refuses contradictions that kong does not know.
func (c *presenceCmd) choose() error {
	named, rest, err := c.take(c.Args)
	if err != nil {
		return err
	}
	if err := checkTopics(rest...); err != nil {
		return err
	}
	topics := append(named, rest...)
	if c.Topic != "" {
		topics = append(topics, c.Topic)
	}
	if len(topics) > 0 {
		c.topic = topics[0]
	}
	c.Follow = c.Follow || c.Join
	switch {
	case len(topics) > 1:
		return fmt.Errorf("give one topic or pattern, not %d\nhint: quote a pattern, because the shell expands * to names of files", len(topics))
	case c.Count < 0:
		return errors.New("--count cannot be negative")
	case c.Follow && c.topic == "":
		return errors.New("say which topic to follow, such as tidings presence room/1 --follow")
	case c.Follow && eventlog.IsPattern(c.topic):
		return fmt.Errorf("%q is a pattern, and presence can be followed only at single topics; without --follow, a pattern lists topics", c.topic)
	case (c.Sub != "" || c.PresentData != "") && !c.Join:
		return errors.New("--sub and --present-data say who is present with --join; leave them out, or add --join")
	}
	return nil
}
