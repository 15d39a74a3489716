package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/internal/wire"
)

// presencePage is an answer of the hub: members of a topic, or topics.
type presencePage struct {
	wire.PresenceCount
	Members  []wire.Member        `json:"members"`
	Topics   []wire.PresenceCount `json:"topics"`
	Next     string               `json:"next"`
	Settling bool                 `json:"settling"`
}

// list prints the members of the topic, or the topics that match the pattern.
func (c *presenceCmd) list(ctx context.Context, hub *hubClient, std stdio) error {
	query := url.Values{}
	single := c.topic != "" && !eventlog.IsPattern(c.topic)
	switch {
	case single:
		query.Set(wire.ParamTopic, c.topic)
	case c.topic != "":
		query.Set(wire.ParamPattern, c.topic)
	}
	p := c.printer(std.out, single)
	settling := false
	err := c.pages(ctx, hub, query, func(page *presencePage) error {
		settling = settling || page.Settling
		return p.page(page)
	})
	if err != nil {
		return err
	}
	if text := c.noneText(p.lines == 0, settling); text != "" {
		_, _ = fmt.Fprintln(std.err, "tidings presence: "+visible(text))
	}
	return nil
}

// pages calls f with each page of the answer.
func (c *presenceCmd) pages(ctx context.Context, hub *hubClient, query url.Values, f func(*presencePage) error) error {
	for left := c.Count; ; {
		size := pageSize
		switch {
		case c.Numbers && query.Has(wire.ParamTopic):
			size = 1 // the members are not needed
		case c.Count > 0:
			size = min(size, left)
		}
		query.Set(wire.ParamLimit, strconv.Itoa(size))
		var page presencePage
		if err := hub.ask(ctx, http.MethodGet, "api/v1/presence", query, nil, &page); err != nil {
			return err
		}
		if err := f(&page); err != nil {
			return err
		}
		left -= len(page.Members) + len(page.Topics)
		if page.Next == "" || c.Count > 0 && left <= 0 || c.Numbers && query.Has(wire.ParamTopic) {
			return nil
		}
		query.Set(wire.ParamAfter, page.Next)
	}
}

// settlingText says that a list or a state is not complete.
const settlingText = "the hub has just begun to serve, so members may be missing"

// noneText is the message for an empty list, and about a hub that has just begun to serve.
func (c *presenceCmd) noneText(none, settling bool) (text string) {
	switch {
	case !none:
	case c.topic == "":
		text = "nobody is present at any topic"
	case eventlog.IsPattern(c.topic):
		text = "nobody is present at any topic that matches " + c.topic
	default:
		text = "nobody is present at " + c.topic
	}
	if !settling {
		return text
	}
	if text != "" {
		text += "; "
	}
	return text + settlingText + "; ask again in 15 s"
}
