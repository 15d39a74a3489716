// Package sse implements both ends of Server-Sent Events (SSE), the protocol behind the browser's EventSource. The
// protocol is defined in section 9.2 of the WHATWG HTML Living Standard
// (https://html.spec.whatwg.org/multipage/server-sent-events.html). It depends only on the standard library.
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
// A client receives them and reconnects until the context is done:
//
//	for event, err := range sse.Subscribe(ctx, "http://localhost:3000/clock") {
//		if err != nil {
//			return err
//		}
//		fmt.Println(event.Data)
//	}
//
// # Guarantees
//
// Order: a client yields events in the order of the stream. A server sends events in the order of the calls; concurrent
// calls never interleave their bytes.
//
// Loss: an event is yielded whole or not at all. A [Client] reconnects with the ID of the last event that it yielded;
// the server decides whether to resume from there. An ID with control characters, or one longer than 8 KiB, is not sent
// back, because it does not fit in a header field: the server then treats the client as a new one.
//
// Slow consumers: a write waits for the client for up to [Options.WriteTimeout], then the stream fails. Streams queue
// nothing. A slow reader delays only its own connection.
//
// Memory: an event larger than 16 MiB ends the stream with a [*TooLargeError], unless configured otherwise. Comments
// and unknown fields of any length need no memory.
//
// # Index
//
// Encoding and decoding: [Event.AppendTo], [Frame], [Decoder]. Reading a stream from any source: [Read],
// [ReadResponse], [JSON]. Subscribing: [Subscribe], [Client], [Source]. Serving: [Handler], [Accept], [Stream].
// Testing: package ssetest.
package sse
