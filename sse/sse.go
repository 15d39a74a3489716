// Package sse is both ends of Server-Sent Events, the protocol behind the browser's EventSource, as the WHATWG
// HTML Living Standard defines it in section 9.2 (https://html.spec.whatwg.org/multipage/server-sent-events.html).
// It needs nothing but the standard library.
//
// A server sends events:
//
//	http.Handle("/clock", sse.Handler(nil, func(s *sse.Stream) error {
//		for {
//			if err := s.Send(sse.Event{Data: time.Now().String()}); err != nil {
//				return err
//			}
//			time.Sleep(time.Second)
//		}
//	}))
//
// A client follows them, over reconnections and for as long as the context lasts:
//
//	for event, err := range sse.Subscribe(ctx, "http://localhost:3000/clock") {
//		if err != nil {
//			return err
//		}
//		fmt.Println(event.Data)
//	}
//
// # What is promised
//
// Order: events are yielded in the order of the stream, and sent in the order of the calls. What one call sends
// is never mixed with what another sends.
//
// Loss: an event is yielded whole or not at all. A [Client] reconnects with the ID of the last event that it
// yielded; whether the server then goes on from there is up to the server. An ID that no header can carry, because of
// control characters or its size, is not sent: the server then does what it does for a client without one.
//
// Slowness: a stream's writer waits for its client for [Options.WriteTimeout] at the most, then the stream is broken and
// says so; nothing is queued. A reader that is slow holds up its own connection and nothing else.
//
// Size: an event beyond 16 MiB is refused with a typed error; comments and unknown fields of any length cost no
// memory.
//
// # Where things are
//
// Bytes: [Event.AppendTo], [Frame], [Decoder]. Streams of any origin: [Read], [ReadResponse], [JSON]. Following:
// [Subscribe], [Client], [Source]. Serving: [Handler], [Accept], [Stream]. Testing: package ssetest.
package sse
