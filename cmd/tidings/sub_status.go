package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/tidings-sse/tidings/internal/address"
	"github.com/tidings-sse/tidings/internal/plain"
	"github.com/tidings-sse/tidings/sse"
)

// status reports the state of the connection on standard error. On a terminal, between pretty events, the lines are dim and start with the
// time; elsewhere they start with the name of the program.
type status struct {
	program  string // the command, such as tidings sub
	giveUp   string // what to add to a failure before the first connection
	w        io.Writer
	quiet    bool
	terminal bool // w is a terminal
	pretty   bool // the format of events
	style    style

	server string // the name of the server
	hub    bool   // the server should be a hub
	at     address.Hub

	open, opened bool // the connection is open; one was open before
}

// hubAddress returns the address of the hub, the zero value for other servers.
func (s *status) hubAddress() address.Hub {
	if !s.hub {
		return address.Hub{}
	}
	return s.at
}

func (s *status) watched() bool { return s.terminal && s.pretty }

// leaveLine starts a new line on a terminal, which has just shown ^C. If a last line follows, it overwrites the ^C.
func (s *status) leaveLine() {
	switch {
	case s.terminal && s.quiet:
		_, _ = io.WriteString(s.w, "\n")
	case s.terminal:
		_, _ = io.WriteString(s.w, "\r")
	}
}

// say reports the state of the connection, unless --quiet is given.
func (s *status) say(text string) {
	if !s.quiet {
		s.note(text)
	}
}

// mention reports a state that is of interest only on a terminal.
func (s *status) mention(text string) {
	if s.watched() {
		s.say(text)
	}
}

// note writes a line even with --quiet. It ignores errors, because there is no other output for them.
func (s *status) note(text string) {
	text = visible(text)
	if s.watched() {
		text = s.style.paint(dim, time.Now().Format(clockLayout)+"  · "+text)
	} else {
		text = s.program + ": " + text
	}
	_, _ = io.WriteString(s.w, text+"\n")
}

// observe reports a change of the connection, for [sse.Client.Observe].
func (s *status) observe(state sse.State, f *sse.Failure, name, lastID string) {
	switch {
	case state == sse.Open:
		if s.opened {
			s.say("connected again" + after(lastID))
		} else {
			s.mention("connected" + after(lastID))
		}
		s.open, s.opened = true, true
	case state == sse.Connecting && f == nil:
		s.mention("connecting to " + name)
	case state == sse.Connecting:
		hint := ""
		if !s.opened && f.Attempt == 1 {
			hint = s.giveUp
			if more := connectionHint(f.Err, s.at, s.hub); more != "" {
				hint = "; " + more + hint
			}
		}
		s.say(s.broken() + " (" + reason(f.Err) + "); again " + in(f.Delay) + hint)
		s.open = false
	}
}

// failure turns the error that ended a subscription to u into an error message and an exit code.
func (s *status) failure(err error, u *url.URL, token string) error {
	var (
		refusal *sse.ResponseError
		away    *sse.RedirectError
		request *sse.RequestError
	)
	switch {
	case errors.As(err, &refusal):
		return &exitError{exitRefused, errors.New(refusalText(refusal, u, s.hubAddress(), token))}
	case errors.As(err, &away):
		return &exitError{exitRefused, errors.New(visible(reason(err)))}
	case errors.As(err, &request):
		return &exitError{exitUsage, errors.New(request.Reason)}
	}
	return &exitError{exitFailure, errors.New(visible(reason(err)) + hintLine(connectionHint(err, s.at, s.hub)))}
}

// after describes the position from which a stream resumes.
func after(lastID string) string {
	if lastID == "" {
		return ""
	}
	return ", to continue after id " + shorten(lastID, 64)
}

func (s *status) broken() string {
	switch {
	case s.open:
		return "connection lost"
	case s.opened:
		return "no connection"
	}
	return "no connection to " + s.server
}

// in describes a delay.
func in(d time.Duration) string {
	switch {
	case d < 50*time.Millisecond:
		return "at once"
	case d < 10*time.Second:
		return fmt.Sprintf("in %.1f s", d.Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("in %.0f s", d.Seconds())
	}
	return fmt.Sprintf("in %.0f min", d.Minutes())
}

// reason says briefly why a connection ended or failed. It may quote the server.
func reason(err error) string {
	var (
		refusal  *sse.ResponseError
		cut      *sse.TruncatedError
		large    *sse.TooLargeError
		redirect *sse.RedirectError
		dns      *net.DNSError
		wrapped  *url.Error
	)
	switch {
	case errors.Is(err, sse.ErrEnded):
		return "the server ended the stream"
	case errors.As(err, &refusal) && refusal.StatusCode != http.StatusOK:
		return "the server answered " + refusal.Status
	case errors.As(err, &refusal):
		return refusal.Reason
	case errors.As(err, &redirect):
		return plain.Text(redirect.Error())
	case errors.Is(err, sse.ErrIdle):
		return "the server was silent for too long"
	case errors.As(err, &cut) && cut.Err == nil && cut.Line != "":
		return fmt.Sprintf("the stream ended with %q", cut.Line)
	case errors.As(err, &cut) && cut.Err == nil:
		return "the stream was cut off inside an event"
	case errors.As(err, &dns) && dns.IsNotFound:
		return "no host has the name " + dns.Name
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case tlsRefused(err):
		return "the server speaks HTTP, not HTTPS"
	case tlsWanted(err):
		return "the server speaks HTTPS, not HTTP"
	case certificateText(err) != "":
		return certificateText(err)
	case noServer(err):
		return "there is no socket"
	case errors.Is(err, syscall.ECONNRESET):
		return "connection reset"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "the stream was cut off"
	case errors.As(err, &large):
		return fmt.Sprintf("an event is larger than %d bytes, the limit of --max-event", large.Limit)
	case errors.Is(err, io.EOF):
		return "the server closed the connection without an answer"
	case errors.As(err, &wrapped):
		err = wrapped.Err // without the method and the URL
	}
	return plain.Text(ourPrefix.ReplaceAllString(err.Error(), ""))
}

// ourPrefix matches the prefixes of the errors of package tidings.
var ourPrefix = regexp.MustCompile(`^tidings: (publish( all| stream)?|subscribe): `)

// shorten returns at most limit bytes of text, cut between two characters and followed by an ellipsis.
func shorten(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + "…"
}
