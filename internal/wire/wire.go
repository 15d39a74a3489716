// Package wire holds what a hub and its clients must spell alike: the names and data of control events, the envelope of an event,
// lines of NDJSON, the names of parameters, and the types of problems. It is the native interface of a hub as bytes and names, without
// HTTP and without meaning: the hub decides what a parameter does, and the client what a gap means to its caller.
//
//	publisher ── Line.Append ───────▶ NDJSON ───────▶ ParseLine ── hub
//	hub ──────── Envelope.Append ───▶ SSE, NDJSON ──▶ ParseEnvelope ── subscriber
//	hub ──────── Gap.Data, End.Data ▶ control event ▶ ParseGap, ParseEnd ── subscriber
//
// What a hub sends as NDJSON can be published again: ParseLine reads an envelope as well, and ignores its id and time.
//
// The OpenAPI document of package hub is checked against the names here.
package wire

// Media types.
const (
	MediaSSE     = "text/event-stream"
	MediaNDJSON  = "application/x-ndjson"
	MediaProblem = "application/problem+json"
	MediaForm    = "application/x-www-form-urlencoded"
)

// DefaultType is the type of an event that names none.
const DefaultType = "message"
