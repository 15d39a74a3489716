package ssetest

import (
	"maps"
	"net/http"
	"slices"
)

// Answer is the scripted response to one request. The status and header are sent at once; then the steps send the body.
// After the last step the response ends cleanly. An Answer can be used any number of times.
type Answer struct {
	// Status is the status code. 0 means a raw answer: the steps send all bytes of the connection, including the status
	// line, and the connection is closed after the last step.
	Status int

	// Header is sent unchanged; net/http does not guess a Content-Type. It adds Date and the fields that frame the body.
	Header http.Header

	Steps []Step
}

// Stream returns an answer with status 200 and content type text/event-stream.
func Stream(steps ...Step) Answer {
	return Status(http.StatusOK, steps...).With("Content-Type", "text/event-stream")
}

// Status returns an answer with the given status, from 200 to 599, and no header.
func Status(code int, steps ...Step) Answer {
	return Answer{Status: code, Steps: steps}
}

// Redirect returns an answer with the given status that redirects to location.
func Redirect(code int, location string) Answer {
	return Status(code).With("Location", location)
}

// Raw returns an answer whose steps send all bytes of the connection. It imitates servers that violate HTTP, or that
// fail before they answer. It needs HTTP/1. In a raw answer [Cut] acts as [Reset], the only failure that all clients
// detect there.
func Raw(steps ...Step) Answer {
	return Answer{Steps: steps}
}

// With returns a copy of the answer in which values replace those of the header field name. Without values it removes
// the field.
func (a Answer) With(name string, values ...string) Answer {
	a.Header = maps.Clone(a.Header)
	if a.Header == nil {
		a.Header = make(http.Header)
	}
	a.Header[http.CanonicalHeaderKey(name)] = slices.Clone(values)
	return a
}

// Then returns a copy of the answer with further steps at its end.
func (a Answer) Then(steps ...Step) Answer {
	a.Steps = slices.Concat(a.Steps, steps)
	return a
}
