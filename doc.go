// Package tidings is the Go client of a Tidings hub: it publishes events to topics and follows them.
//
//	hub := &tidings.Client{URL: "https://hub.example", Token: token}
//
//	receipt, err := hub.Publish(ctx, tidings.Event{Topic: "news", Data: []byte("hello")})
//
//	for event, err := range hub.Subscribe(ctx, []string{"news", "weather/**"}, nil) {
//		if err != nil {
//			return err
//		}
//		fmt.Printf("%s %s\n", event.Topic, event.Data)
//	}
//
// # What is promised
//
// Order: events are yielded in the order of the hub's log, and stored in the order in which one call publishes them. Calls
// that run at the same time have no order.
//
// Loss: a subscription goes on after its last event when a connection breaks, whatever the cause. When the hub no longer has
// what came next it says so, and so does the subscription, by [SubscribeOptions.OnGap] or with a [*GapError]. A publisher
// without an error knows that the hub has stored all, as durably as its log is configured.
//
// Repetition: an event is yielded once for as long as the sequence lasts; who resumes with a position of before, after a
// crash for instance, gets what came after it again. Publishing is tried again until the hub has answered, and every event
// has an idempotency key, so that it is stored once nevertheless.
//
// Slowness: nothing is queued. A reader that is slow holds up its own connection; the hub decides what becomes of it. A
// stream of events that is published waits for the hub, with two batches in memory at the most.
//
// Waiting: a hub that cannot be reached is waited for, for as long as the context lasts. The first failure is logged as a
// warning; [Client.OnRetry] hears of all.
//
// # Where things are
//
// Publishing: [Client.Publish], [Client.PublishAll], [Client.PublishStream], [ReadEvents]. Following: [Client.Subscribe],
// [Client.Open]. What the hub said instead: [Problem].
package tidings
