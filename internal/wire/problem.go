package wire

import "strings"

// ProblemName is the name of a kind of problem. Programs branch on it; it never changes.
type ProblemName string

// The names of problems.
const (
	ProblemInvalidRequest   ProblemName = "invalid-request"
	ProblemInvalidTopic     ProblemName = "invalid-topic"
	ProblemInvalidEvent     ProblemName = "invalid-event"
	ProblemTooManyTopics    ProblemName = "too-many-topics"
	ProblemUnauthorized     ProblemName = "unauthorized"
	ProblemForbidden        ProblemName = "forbidden"
	ProblemForeignOrigin    ProblemName = "foreign-origin"
	ProblemLocalOnly        ProblemName = "local-only"
	ProblemNotFound         ProblemName = "not-found"
	ProblemMethodNotAllowed ProblemName = "method-not-allowed"
	ProblemNotAcceptable    ProblemName = "not-acceptable"
	ProblemBrokenBody       ProblemName = "broken-body"
	ProblemTimeout          ProblemName = "timeout"
	ProblemEnded            ProblemName = "ended"
	ProblemCluster          ProblemName = "cluster-conflict"
	ProblemGap              ProblemName = "gap"
	ProblemTooLarge         ProblemName = "too-large"
	ProblemUnsupportedMedia ProblemName = "unsupported-media-type"
	ProblemKeyReused        ProblemName = "key-reused"
	ProblemTooManyStreams   ProblemName = "too-many-streams"
	ProblemTooManyBodies    ProblemName = "too-many-bodies"
	ProblemTooManyMembers   ProblemName = "too-many-members"
	ProblemTooFast          ProblemName = "too-fast"
	ProblemInternal         ProblemName = "internal"
	ProblemUnavailable      ProblemName = "unavailable"
	ProblemUnchecked        ProblemName = "tokens-unavailable"
	ProblemFull             ProblemName = "full"
	ProblemNotReady         ProblemName = "not-ready"
	ProblemDraining         ProblemName = "draining"
)

// ProblemType has the members that all problems of a name share.
type ProblemType struct {
	Name   ProblemName
	Status int    // of HTTP
	Title  string // for people
}

// problems has all types, in the order of their status.
var problems = []ProblemType{
	{ProblemInvalidRequest, 400, "The request is invalid"},
	{ProblemInvalidTopic, 400, "The topic or pattern is invalid"},
	{ProblemInvalidEvent, 400, "The event is invalid"},
	{ProblemTooManyTopics, 400, "The request has too many topics"},
	{ProblemUnauthorized, 401, "A valid token is required"},
	{ProblemForbidden, 403, "The request is not granted"},
	{ProblemForeignOrigin, 403, "The origin of the page is not allowed"},
	{ProblemLocalOnly, 403, "The hub answers its own machine only"},
	{ProblemNotFound, 404, "The resource does not exist"},
	{ProblemMethodNotAllowed, 405, "The method is not allowed"},
	{ProblemNotAcceptable, 406, "Accept refuses every available format"},
	{ProblemBrokenBody, 408, "The body is incomplete"},
	{ProblemTimeout, 408, "The body arrived too slowly"},
	{ProblemEnded, 409, "The topic has ended"},
	{ProblemCluster, 409, "The cluster does not allow the change"},
	{ProblemGap, 410, "Events are missing"},
	{ProblemTooLarge, 413, "The content is too large"},
	{ProblemUnsupportedMedia, 415, "The media type is not supported"},
	{ProblemKeyReused, 422, "The idempotency key was used for another event"},
	{ProblemTooManyStreams, 429, "Too many streams are open"},
	{ProblemTooManyBodies, 429, "Too many bodies are being received"},
	{ProblemTooManyMembers, 429, "One holder has too many members"},
	{ProblemTooFast, 429, "Too many events are being published"},
	{ProblemInternal, 500, "The hub failed"},
	{ProblemUnavailable, 503, "The log stores no events at the moment"},
	{ProblemUnchecked, 503, "Tokens cannot be checked at the moment"},
	{ProblemFull, 503, "The hub is at its limit"},
	{ProblemNotReady, 503, "The hub is not ready"},
	{ProblemDraining, 503, "The hub is shutting down"},
}

// Problems returns all types of problems.
func Problems() []ProblemType { return append([]ProblemType(nil), problems...) }

// Title returns the title of the problems of a name, "" for a name that is not in this package.
func (n ProblemName) Title() string {
	for i := range problems {
		if problems[i].Name == n {
			return problems[i].Title
		}
	}
	return ""
}

// problemBase makes a URI of a name. The URI only identifies: nothing can be fetched from it.
const problemBase = "urn:tidings:problem:"

// URI returns the type member of a problem document (RFC 9457, section 3.1.1).
func (n ProblemName) URI() string { return problemBase + string(n) }

// ParseProblemName returns the name in the type member of a problem document: what follows the last slash, colon or hash. It is "" for
// about:blank, which says no more than the status (RFC 9457, section 4.2.1).
func ParseProblemName(uri string) ProblemName {
	if uri == "about:blank" {
		return ""
	}
	return ProblemName(uri[strings.LastIndexAny(uri, "/:#")+1:])
}
