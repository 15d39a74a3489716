package wire

// The parameters of requests.
const (
	// Where to publish, and what to subscribe to.
	ParamTopic = "topic" // topics; in a subscription patterns, too
	ParamExact = "exact" // topics of a subscription in which an asterisk has no meaning

	// Of an event that is published.
	ParamType     = "type"
	ParamEnd      = "end"
	ParamEncoding = "encoding" // UTF8 or Base64

	// Where a subscription starts: see also PositionParams.
	ParamSince = "since" // SinceEarliest, a time, or a duration before now
	ParamLast  = "last"  // the number of newest events

	// How a subscription is answered.
	ParamPoll      = "poll"      // 1: the retained events, then the end
	ParamBefore    = "before"    // a poll ends before this position
	ParamFormat    = "format"    // FormatPlain or FormatEnvelope
	ParamOnGap     = "on_gap"    // OnGapTell or OnGapFail
	ParamHeartbeat = "heartbeat" // the interval

	// Who is present: see Presence.
	ParamPresent     = "present"      // 1: the subject of the token is present at the topics of the stream
	ParamPresentData = "present_data" // of the subject, on a hub without keys
	ParamWatch       = "watch"        // topics whose presence events the stream gets

	// Of lists.
	ParamPattern = "pattern" // of topics
	ParamAfter   = "after"   // the member next of the page before
	ParamLimit   = "limit"   // of one page, or of the events of a poll
	ParamCluster = "cluster" // 1: the answer is for all hubs of the cluster

	ParamDescending = "descending" // 1: the last topic comes first
	ParamSizes      = "sizes"      // 1: with the bytes of each topic

	// Which streams an administrator selects, besides ParamTopic.
	ParamSubject = "subject" // of a stream with ParamPresent: the subject that is present
	ParamToken   = "token"   // the jti
	ParamAddress = "address"
	ParamLag     = "lag" // the minimum, in events
	ParamAll     = "all"

	// Of profiles.
	ParamSeconds = "seconds"
	ParamDebug   = "debug"
)

// ParamAccessToken is the parameter of a URL that has a token (RFC 6750, section 2.3). It belongs to the authorisation of a request, as the
// field Authorization does.
const ParamAccessToken = "access_token"

// The values of parameters that have a fixed set.
const (
	SinceEarliest  = "earliest"
	FormatPlain    = "plain"
	FormatEnvelope = "envelope"
	OnGapTell      = "tell"
	OnGapFail      = "fail"
)

// PositionParams are the parameters that hold a position: the hub's own, and those of libraries for EventSource that send the last id in
// the URL.
func PositionParams() []string { return []string{"last_event_id", "lastEventId", "lastEventID"} }

// Params are the names of all parameters.
func Params() []string {
	return append(PositionParams(), ParamTopic, ParamExact, ParamType, ParamEnd, ParamEncoding, ParamSince, ParamLast, ParamPoll, ParamBefore, ParamFormat, ParamOnGap,
		ParamHeartbeat, ParamPresent, ParamPresentData, ParamWatch, ParamPattern, ParamAfter, ParamLimit, ParamCluster, ParamDescending, ParamSizes, ParamSubject, ParamToken, ParamAddress, ParamLag, ParamAll, ParamSeconds, ParamDebug)
}

// The header fields that are not common to all of HTTP.
const (
	HeaderLastEventID    = "Last-Event-ID"   // WHATWG HTML, section 9.2.4
	HeaderIdempotencyKey = "Idempotency-Key" // draft-ietf-httpapi-idempotency-key-header
)

// MaxKey is the length of the longest idempotency key, in bytes.
const MaxKey = 255
