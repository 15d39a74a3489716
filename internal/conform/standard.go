package conform

import "regexp"

// rule is a sentence of the WHATWG HTML Living Standard, section 9.2, and the names of the cases that break with it.
type rule struct {
	cases    *regexp.Regexp
	sentence string
}

func r(cases, sentence string) rule { return rule{regexp.MustCompile("^(?:" + cases + ")$"), sentence} }

// parserRules and lifecycleRules are in the order of their precedence: the first rule that matches the name of a case has its sentence.
var (
	parserRules = []rule{
		r(`bom-utf16.*|utf8-.*|name-with-invalid-byte|data-unicode|data-not-normalized`, "Streams must be decoded using the UTF-8 decode algorithm."),
		r(`bom.*`, "The UTF-8 decode algorithm strips one leading UTF-8 Byte Order Mark (BOM), if any."),
		r(`lf.*|cr.*|line-ends-mixed|line-separators-.*|backslash-n-is-text`, "Lines must be separated by either a U+000D CARRIAGE RETURN U+000A LINE FEED (CRLF) character pair, a single U+000A LINE FEED (LF) character, or a single U+000D CARRIAGE RETURN (CR) character."),
		r(`blank-lines.*|empty.*`, "If the line is empty (a blank line): Dispatch the event, as defined below."),
		r(`comment.*|colon-only|long-comment`, "If the line starts with a U+003A COLON character (:): Ignore the line."),
		r(`no-colon.*|id-without-colon-resets`, "Otherwise, the string is not empty but does not contain a U+003A COLON character (:): Process the field using the whole line as the field name, and the empty string as the field value."),
		r(`colon.*|one-space-goes|trailing-space-stays|only-.*|tab-stays|no-break-space-stays|value-looks-like-field|id-of-one-space-resets|type-space|space-makes-no-difference`, "If value starts with a U+0020 SPACE character, remove it from value."),
		r(`space-before.*|line-of-one.*|unknown-fields.*|names?-.*|nul-line|long-unknown-field|json-line.*`, "Otherwise: The field is ignored."),
		r(`id-nul.*|id-then-valid-after-nul`, "If the field value does not contain U+0000 NULL, then set the last event ID buffer to the field value. Otherwise, ignore the field."),
		r(`retry.*`, "If the field value consists of only ASCII digits, then interpret the field value as an integer in base ten, and set the event stream's reconnection time to that integer. Otherwise, ignore the field."),
		r(`end-.*|.*unfinished.*|id-reset-unfinished`, "Once the end of the file is reached, any pending data must be discarded. (If the file ends in the middle of an event, before the final empty line, the incomplete event is not dispatched.)"),
		r(`(one|two)-events?|all-fields|fields-in-any-order|blocks-of-all-kinds`, "Initialize event's type attribute to \"message\", its data attribute to data, and its lastEventId attribute to the last event ID string of the event source."),
		r(`id-.*|thousand-ids|long-type-and-id`, "Set the last event ID string of the event source to the value of the last event ID buffer. The buffer does not get reset, so the last event ID string of the event source remains set to this value until the next time it is set by the server."),
		r(`data-empty-is-an-event|no-data.*|type-lost-without-data`, "If the data buffer is an empty string, set the data buffer and the event type buffer to the empty string and return."),
		r(`type-.*`, "If the event type buffer has a value other than the empty string, change the type of the newly created event to equal the value of the event type buffer."),
		r(`data-.*|thousand-.*|long-line.*|many-events|stock-ticker`, "Append the field value to the data buffer, then append a single U+000A LINE FEED (LF) character to the data buffer."),
	}
	lifecycleRules = []rule{
		r(`status-204.*|redirect-to-204`, "Clients will reconnect if the connection is closed; a client can be told to stop reconnecting using the HTTP 204 No Content response code."),
		r(`status-.*|mime-(missing|empty|html|plain|json|octets|x-bogus|bogus|prefix|space-inside|without-slash|wrong.*|last-of-several-wrong)|redirect-\d+-without-location|redirect-to-error`, "Otherwise, if res's status is not 200, or if res's `Content-Type` is not `text/event-stream`, then fail the connection."),
		r(`mime-charset.*ignored`, "Event streams are always decoded as UTF-8. There is no way to specify another character encoding."),
		r(`mime-.*|opens.*`, "Otherwise, announce the connection and interpret res's body line by line."),
		r(`redirect-(loop|to-bad-url|out-of-http|to-no-answer-then-reconnect)|no-.*`, "Otherwise, if res is a network error, then reestablish the connection, unless the user agent knows that to be futile."),
		r(`redirect-.*`, "Fetch request. (HTTP redirects are followed as the Fetch Standard says; a request to another origin does not carry the program's own header fields.)"),
		r(`request-first-without-.*`, "If the EventSource object's last event ID string is not the empty string, then set `Last-Event-ID` in request's header list."),
		r(`request-.*`, "Set (`Accept`, `text/event-stream`) in request's header list, and set request's cache mode to \"no-store\"."),
		r(`events-.*|event-.*`, "Lines must be processed, in the order they are received, as they arrive."),
		r(`end-(inside|between|after)-.*|bom-in-every-stream`, "Once the end of the file is reached, any pending data must be discarded."),
		r(`end-.*|many-streams`, "If res is not a network error, then reestablish the connection: wait a delay equal to the reconnection time of the event source."),
		r(`retry.*`, "Interpret the field value as an integer in base ten, and set the event stream's reconnection time to that integer."),
		r(`id.*`, "If the EventSource object's last event ID string is not the empty string, then set (`Last-Event-ID`, the last event ID string, encoded as UTF-8) in request's header list."),
		r(`close-.*`, "The close() method must abort any instances of the fetch algorithm started for this EventSource object, and must set the readyState attribute to CLOSED."),
		r(`connecting-.*`, "When constructed, the object's readyState is CONNECTING until the connection is announced."),
	}
)

// sentenceOf returns the sentence of a case, "" if no rule has its name.
func sentenceOf(rules []rule, name string) string {
	for _, r := range rules {
		if r.cases.MatchString(name) {
			return r.sentence
		}
	}
	return ""
}
