package conform

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// The suites of servers.
const (
	Stream  = "stream"  // how the answer begins, and its bytes
	Content = "content" // whether data arrives as it was published
	Replay  = "replay"  // what follows a Last-Event-ID
)

// Server is a server under test.
type Server struct {
	URL     string        // of a stream
	Publish string        // a POST to this URL with a text as body publishes an event on the stream; "": the server makes events itself
	Body    string        // the body of such a POST, JSON with {text} for the text; "": the text itself
	Field   string        // the field with the text in the data of an event, which is JSON, such as pub.data; other events are skipped. "": the data is the text
	Header  http.Header   // of all requests, such as a token
	Idle    time.Duration // the longest silence of a quiet stream. 0: 30 s
	Wait    time.Duration // how long an event may take. 0: 10 s
}

// The sentences that servers can break.
const (
	sayType    = "Otherwise, if res's status is not 200, or if res's `Content-Type` is not `text/event-stream`, then fail the connection."
	sayUTF8    = "Event streams in this format must always be encoded as UTF-8."
	sayEOF     = "Once the end of the file is reached, any pending data must be discarded."
	sayComment = "Legacy proxy servers are known to, in certain cases, drop HTTP connections after a short timeout. To protect against such proxy servers, authors can include a comment line (one starting with a ':' character) every 15 seconds or so."
	sayChunks  = "Authors are also cautioned that HTTP chunking can have unexpected negative effects on the reliability of this protocol, in particular if the chunking is done by a different layer unaware of the timing requirements."
	sayData    = "Append the field value to the data buffer, then append a single U+000A LINE FEED (LF) character to the data buffer."
	sayResume  = "The `Last-Event-ID` HTTP request header reports an EventSource object's last event ID string to the server when the user agent is to reestablish the connection."
	sayNothing = "(not in the standard) A subscriber that reads nothing must not hold up the others."
)

// RunServer runs the cases of servers. A case that needs to publish is left out without Server.Publish. The error says that the server cannot be
// reached, or that it does not let the runner publish.
func RunServer(ctx context.Context, s Server) ([]Result, error) {
	if s.Idle == 0 {
		s.Idle = 30 * time.Second
	}
	if s.Wait == 0 {
		s.Wait = 10 * time.Second
	}
	if err := s.reach(ctx); err != nil {
		return nil, err
	}
	cases := []struct {
		suite, name, section, sentence, says string
		publishes                            bool
		run                                  func(Server, context.Context) error
	}{
		{Stream, "type", "9.2.3", sayType, "A stream has status 200 and the type text/event-stream.", false, Server.checkType},
		{Stream, "one-by-one", "9.2.7", sayChunks, "An event arrives before the next one is published.", true, Server.checkOneByOne},
		{Stream, "utf-8", "9.2.5", sayUTF8, "The bytes of a stream are valid UTF-8, also if a publisher sent others.", true, Server.checkUTF8},
		{Stream, "complete", "9.2.6", sayEOF, "A stream that ends cleanly does not end inside an event.", false, Server.checkComplete},
		{Stream, "stuck", "", sayNothing, "A subscriber that reads nothing does not hold up the others.", true, Server.checkStuck},
		{Content, "spaces", "9.2.6", sayData, "Data may begin with spaces.", true, carries("  two spaces")},
		{Content, "colon", "9.2.6", sayData, "Data may begin with a colon.", true, carries(": no comment")},
		{Content, "lines", "9.2.6", sayData, "Data may have lines that LF, CRLF and CR end.", true, carries("one\ntwo\r\nthree\rfour")},
		{Content, "empty-lines", "9.2.6", sayData, "Data may have empty lines, also at its ends.", true, carries("\n\nmiddle\n\n")},
		{Content, "forged", "9.2.6", sayData, "Data that looks like fields stays data.", true, carries("x\n\nevent: forged\nid: 1\ndata: y\rretry: 1")},
		{Content, "json", "9.2.6", sayData, "JSON arrives as it was sent.", true, carries(`{"a": "b\n", "c": [1, 2]}`)},
		{Content, "unicode", "9.2.6", sayData, "Line ends of Unicode are no line ends of a stream.", true, carries("é\u2028\u2029\u0085\v\f 😀\ufeff")},
		{Content, "nul", "9.2.6", sayData, "Data may have a NUL.", true, carries("a\x00b")},
		{Content, "long", "9.2.6", sayData, "Data may be longer than 64 KiB.", true, carries(strings.Repeat("0123456789", 10_000))},
		{Replay, "resume", "9.2.4", sayResume, "After a cut, a stream continues behind the event of Last-Event-ID.", false, Server.checkResume},
		{Stream, "keep-alive", "9.2.7", sayComment, "A quiet stream sends something.", false, Server.checkKeepAlive},
	}
	var results []Result
	for _, c := range cases {
		r := Result{Suite: c.suite, Case: c.name, Section: c.section, Sentence: c.sentence, Says: c.says}
		if c.publishes && s.Publish == "" {
			r.LeftOut = "no URL to publish to is given"
		} else {
			r.Fault = c.run(s, ctx)
		}
		if errors.Is(r.Fault, errRefused) { // a server need not accept every text
			r.LeftOut, r.Fault = errRefused.Error(), nil
		}
		results = append(results, r)
	}
	return results, ctx.Err()
}

// reach returns an error if the server does not answer at all, or does not accept an event. An answer that comes late or with a wrong status is a
// fault of the server, which the cases find.
func (s Server) reach(ctx context.Context) error {
	resp, err := s.get(ctx, "")
	var failed *url.Error
	if errors.As(err, &failed) && (!failed.Timeout() || !isAnswered(err)) {
		return fmt.Errorf("the server at %q cannot be reached: %w", s.URL, failed.Err)
	}
	if err == nil {
		_ = resp.Body.Close()
	}
	if s.Publish == "" {
		return nil
	}
	if err := s.publish(ctx, "sseconform starts"); err != nil && !errors.Is(err, errRefused) {
		return fmt.Errorf("an event cannot be published at %q: %w", s.Publish, err)
	}
	return nil
}
