// Package tidings is the Go client of a Tidings hub: it publishes events to topics and subscribes to topics.
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
// # Promises
//
// Order: a subscription yields events in the order of the hub's log. The events of one publishing call are stored in the order in which
// they were given. Calls that run at the same time have no order.
//
// Loss: after a broken connection a subscription resumes behind its last event. If the hub no longer has what follows, the subscription
// reports a gap, by [SubscribeOptions.OnGap] or with a [*GapError]. A publishing call that returns no error means that the hub has stored
// all events, as durably as its log is configured.
//
// Repetition: one subscription yields each event once. A subscription that resumes from an earlier position, for instance after a crash,
// gets the events behind that position again. Publishing retries until the hub has answered. Every event has an idempotency key, so the hub
// stores it once.
//
// Slowness: the client queues nothing. A slow reader slows down its own connection, and the hub decides when to disconnect it. A stream of
// events to publish waits for the hub, with at most two batches in memory.
//
// Waiting: calls wait for a hub that cannot be reached, until their context ends. The first failure of a call is logged as a warning;
// [Client.OnRetry] gets all failures.
//
// # Where things are
//
// Publishing: [Client.Publish], [Client.PublishAll], [Client.PublishStream], [ReadEvents]. Subscribing: [Client.Subscribe],
// [Client.Open]. Refusals of the hub: [Problem].
package tidings
