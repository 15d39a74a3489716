package ssetest

import (
	"maps"
	"net/http"
	"slices"
)

// Answer is what a script has for one request: a status and header, which leave at once, then step by step a body. When
// the steps are over the answer ends cleanly. Answers can be used any number of times.
type Answer struct {
	// Status is the answer's status code; 0 means that there is no HTTP in the answer: the steps send the bytes
	// of the connection, status line and all, and at the end the connection is closed.
	Status int

	// Header is sent as it is; nothing is guessed, Content-Type neither. Date and the fields that frame the body are
	// added.
	Header http.Header

	Steps []Step
}

// Stream returns an answer of status 200 and type text/event-stream.
func Stream(steps ...Step) Answer {
	return Status(http.StatusOK, steps...).With("Content-Type", "text/event-stream")
}

// Status returns an answer of the given status, from 200 to 599, without a header.
func Status(code int, steps ...Step) Answer {
	return Answer{Status: code, Steps: steps}
}

// Redirect returns an answer of the given status that leads to location.
func Redirect(code int, location string) Answer {
	return Status(code).With("Location", location)
}

// Raw returns an answer whose steps send the very bytes of the connection, for servers that break HTTP, or break off
// before the answer has begun. It needs HTTP/1. In it [Cut] is [Reset]: there is no other way to break off that
// all clients notice.
func Raw(steps ...Step) Answer {
	return Answer{Steps: steps}
}

// With returns the answer with values for one header field in place of those it had; with none the field goes.
func (a Answer) With(name string, values ...string) Answer {
	a.Header = maps.Clone(a.Header)
	if a.Header == nil {
		a.Header = make(http.Header)
	}
	a.Header[http.CanonicalHeaderKey(name)] = slices.Clone(values)
	return a
}

// Then returns the answer with further steps behind those it has.
func (a Answer) Then(steps ...Step) Answer {
	a.Steps = slices.Concat(a.Steps, steps)
	return a
}
