package main

import (
	"context"
	"errors"
	"io"
	"iter"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/sse"
)

// script is a model whose test sends the chunks of the reply.
type script struct {
	chunks chan string // closed at the end of the reply
	failed chan error  // the test sends an error of the model
	over   chan error  // the model sends why it ended
}

func newScript() *script { return &script{make(chan string), make(chan error), make(chan error, 8)} }

func (s *script) reply(ctx context.Context, _ string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for {
			select {
			case text, ok := <-s.chunks:
				if !ok {
					s.over <- nil
					return
				}
				if !yield(text, nil) {
					return
				}
			case err := <-s.failed:
				yield("", err)
				return
			case <-ctx.Done():
				s.over <- ctx.Err()
				yield("", ctx.Err())
				return
			}
		}
	}
}

// site is a running server.
type site struct {
	*testing.T
	url     string
	log     eventlog.Log
	replies *replies
}

func start(t *testing.T, ask model) *site {
	t.Helper()
	events, err := eventlog.NewMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := newReplies(events, ask)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(r.routes())
	t.Cleanup(func() {
		r.stop()
		if err := r.hub.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		server.Close()
		_ = events.Close()
	})
	return &site{t, server.URL, events, r}
}

func (s *site) request(method, where, body string) *http.Request {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
	s.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, method, s.url+where, strings.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return req
}

// send sends a request and returns the response after reading its body.
func (s *site) send(req *http.Request) *http.Response {
	s.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		s.Fatal(err)
	}
	return resp
}

// ask asks a question and returns the ID of the reply. It closes its connection, like a viewer who leaves the page.
func (s *site) ask(question string) (id string) {
	s.Helper()
	req := s.request(http.MethodPost, "/ask", url.Values{"question": {question}}.Encode())
	req.Close = true
	resp := s.send(req)
	if resp.StatusCode != http.StatusOK {
		s.Fatalf("asking gives %d", resp.StatusCode)
	}
	return path.Base(resp.Request.URL.Path) // the target of the redirect
}

// view is the text that a viewer has received.
type view struct {
	question, text string
	last           string // last event ID
	end            string // stoppedType or failedType; "all" for a complete reply
	chunks         int
}

// watch subscribes to a reply as the page does, from the last event of v until the end or until there are enough
// chunks.
func (s *site) watch(id string, v view, enough int) (view, error) {
	req := s.request(http.MethodGet, "/events/replies/"+id+"?since=earliest", "")
	if v.last != "" {
		req.Header.Set("Last-Event-ID", v.last)
	}
	v.end = "all"
	for event, err := range new(sse.Client).Subscribe(req) {
		if err != nil {
			return v, err
		}
		v.last = event.ID
		switch event.Type {
		case sse.DefaultType:
			v.text += event.Data
			if v.chunks++; v.chunks == enough {
				return v, nil
			}
		case questionType:
			v.question += event.Data
		case stoppedType, failedType:
			v.end = event.Type
		case "tidings.end":
			return v, nil
		case "tidings.checkpoint":
		default:
			return v, errors.New("unexpected event " + event.Type)
		}
	}
	return v, errors.New("the stream ended without the end of the topic")
}

// mustWatch is watch, and fails the test on an error. It must not be called from other goroutines.
func (s *site) mustWatch(id string, v view, enough int) view {
	s.Helper()
	v, err := s.watch(id, v, enough)
	if err != nil {
		s.Fatalf("after %+v: %v", v, err)
	}
	return v
}

// TestAllViewersSeeTheSameTextOnce has viewers that subscribe before, during and after the reply.
func TestAllViewersSeeTheSameTextOnce(t *testing.T) {
	model := newScript()
	s := start(t, model.reply)
	id := s.ask("why?")
	chunks := strings.SplitAfter("because the sky is\nblue 🦜 and  wide", " ")
	var watching sync.WaitGroup
	watch := func() {
		for range 5 {
			watching.Go(func() {
				v, err := s.watch(id, view{}, -1)
				if err != nil || v.text != strings.Join(chunks, "") || v.question != "why?" || v.chunks != len(chunks) || v.end != "all" {
					s.Errorf("a viewer sees %+v, %v", v, err)
				}
			})
		}
	}
	watch()
	for i, chunk := range chunks {
		if i == len(chunks)/2 {
			watch()
		}
		model.chunks <- chunk
	}
	close(model.chunks)
	watching.Wait()
	watch()
	watching.Wait()
}

// TestViewerResumesAfterABreak also checks that the model continues without viewers.
func TestViewerResumesAfterABreak(t *testing.T) {
	model := newScript()
	s := start(t, model.reply)
	id := s.ask("why?")
	model.chunks <- "one "
	model.chunks <- "two "
	seen := s.mustWatch(id, view{}, 2) // then disconnects
	model.chunks <- "three "
	close(model.chunks)
	if seen = s.mustWatch(id, seen, -1); seen.text != "one two three " || seen.question != "why?" || seen.chunks != 3 {
		t.Errorf("the resumed viewer has seen %+v", seen)
	}
	if seen = s.mustWatch(id, view{}, -1); seen.text != "one two three " || seen.chunks != 3 {
		t.Errorf("after a reload a viewer sees %+v", seen)
	}
}

// TestViewerAfterTheEndGets204: on a 204, EventSource stops reconnecting.
func TestViewerAfterTheEndGets204(t *testing.T) {
	model := newScript()
	close(model.chunks)
	s := start(t, model.reply)
	id := s.ask("why?")
	seen := s.mustWatch(id, view{}, -1)
	req := s.request(http.MethodGet, "/events/replies/"+id+"?since=earliest", "")
	req.Header.Set("Last-Event-ID", seen.last)
	if resp := s.send(req); resp.StatusCode != http.StatusNoContent {
		t.Errorf("got %d", resp.StatusCode)
	}
}

// TestCancelStopsTheModelAndEndsTheTopic also checks that a viewer who disconnects does not stop the model.
func TestCancelStopsTheModelAndEndsTheTopic(t *testing.T) {
	model := newScript()
	s := start(t, model.reply)
	id := s.ask("why?")
	model.chunks <- "because "
	s.mustWatch(id, view{}, 1) // then disconnects
	model.chunks <- "it "
	for range 2 { // the second DELETE has no effect
		if resp := s.send(s.request(http.MethodDelete, "/replies/"+id, "")); resp.StatusCode != http.StatusNoContent {
			t.Errorf("DELETE: %d", resp.StatusCode)
		}
		if seen := s.mustWatch(id, view{}, -1); seen.text != "because it " || seen.end != stoppedType {
			t.Errorf("a viewer sees %+v", seen)
		}
	}
	if err := <-model.over; !errors.Is(err, context.Canceled) {
		t.Errorf("the model ended with %v", err)
	}
}

func TestFailedModelEndsTheTopic(t *testing.T) {
	model := newScript()
	s := start(t, model.reply)
	id := s.ask("why?")
	model.chunks <- "because "
	model.failed <- errors.New("a secret of the model")
	if seen := s.mustWatch(id, view{}, -1); seen.text != "because " || seen.end != failedType {
		t.Errorf("a viewer sees %+v", seen)
	}
}

// TestOnlyTheNamedReplyIsAllowed also checks that refused requests publish nothing.
func TestOnlyTheNamedReplyIsAllowed(t *testing.T) {
	model := newScript()
	s := start(t, model.reply)
	mine, other := s.ask("mine"), s.ask("other")
	head := s.log.Head()
	for _, test := range []struct {
		method, path string
		want         int
	}{
		{http.MethodGet, "/events/replies/*", 404},
		{http.MethodGet, "/events/replies/nothing", 404},
		{http.MethodGet, "/events/replies/" + mine + "?topic=replies/" + other, 401},
		{http.MethodGet, "/events/replies/" + mine + "?topic=**", 401},
		{http.MethodGet, "/events", 404},
		{http.MethodGet, "/events/**", 404},
		{http.MethodGet, "/api/v1/topics", 404},
		{http.MethodPost, "/events/replies/" + mine, 401},
		{http.MethodPut, "/events/replies/" + mine + "?end=1", 401},
		{http.MethodPost, "/events/replies/nothing", 404},
		{http.MethodPost, "/ask", 400},
	} {
		body := ""
		if test.method != http.MethodGet && test.path != "/ask" {
			body = "forged"
		}
		if resp := s.send(s.request(test.method, test.path, body)); resp.StatusCode != test.want {
			t.Errorf("%s %s: %d, want %d", test.method, test.path, resp.StatusCode, test.want)
		}
	}
	foreign := s.request(http.MethodPost, "/ask", "question=costly")
	foreign.Header.Set("Sec-Fetch-Site", "cross-site")
	if resp := s.send(foreign); resp.StatusCode != http.StatusForbidden {
		t.Errorf("a question from another site gives %d", resp.StatusCode)
	}
	if now := s.log.Head(); now != head {
		t.Errorf("the log moved from %s to %s", head, now)
	}
}

// TestShutdownEndsRunningReplies: the viewers get the end of the topic.
func TestShutdownEndsRunningReplies(t *testing.T) {
	listener, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	model := newScript()
	go func() { stopped <- run(ctx, listener, model.reply) }()
	s := &site{T: t, url: "http://" + listener.Addr().String()}
	id := s.ask("why?")
	model.chunks <- "because "
	half := s.mustWatch(id, view{}, 1)
	resp, err := http.DefaultClient.Do(s.request(http.MethodGet, "/events/replies/"+id+"?since=earliest", ""))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	stop()
	stream, err := io.ReadAll(resp.Body)
	if err != nil || !strings.Contains(string(stream), "data: "+half.text) || !strings.Contains(string(stream), "event: tidings.end\n") {
		t.Errorf("the stream was %q, %v", stream, err)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestNoReplyStartsAfterStop(t *testing.T) {
	s := start(t, newScript().reply)
	s.replies.stop()
	if resp := s.send(s.request(http.MethodPost, "/ask", "question=why")); resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("got %d", resp.StatusCode)
	}
	if head := s.log.Head(); head.Seq != 0 {
		t.Errorf("the log moved to %s", head)
	}
}

func TestParrotAnswersWordByWordUntilStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var chunks []string
		for text, err := range parrot(time.Hour)(ctx, "100 %?") {
			if len(chunks) == 4 {
				if !errors.Is(err, context.Canceled) {
					t.Errorf("the stopped parrot says %q, %v", text, err)
				}
				break
			}
			if chunks = append(chunks, text); len(chunks) == 4 {
				cancel()
			}
		}
		if got := strings.Join(chunks, ""); got != "You asked: “100 %?”\n\nI " {
			t.Errorf("it says %q", got)
		}
	})
}

func TestPageSubscribesToItsReply(t *testing.T) {
	s := start(t, newScript().reply)
	resp, err := http.DefaultClient.Do(s.request(http.MethodGet, "/replies/1", ""))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if text, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(text), "new EventSource(`/events${path}?since=earliest`)") {
		t.Errorf("the page is %s, %v", text, err)
	}
}
