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

// script is a model that says what a test gives it, when the test gives it.
type script struct {
	pieces chan string // closed: that was all
	failed chan error
	over   chan error // why it ended, as it saw it
}

func newScript() *script { return &script{make(chan string), make(chan error), make(chan error, 8)} }

func (s *script) reply(ctx context.Context, _ string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for {
			select {
			case text, ok := <-s.pieces:
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
	ctx, cancel := context.WithTimeout(s.Context(), 20*time.Second)
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

// send returns the answer of a request, without its body.
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

// ask returns the id of a reply. It closes its connection: the page of who has asked is gone.
func (s *site) ask(question string) (id string) {
	s.Helper()
	req := s.request(http.MethodPost, "/ask", url.Values{"question": {question}}.Encode())
	req.Close = true
	resp := s.send(req)
	if resp.StatusCode != http.StatusOK {
		s.Fatalf("asking leads to %d", resp.StatusCode)
	}
	return path.Base(resp.Request.URL.Path) // where the redirect has led to
}

// view is what a viewer has seen.
type view struct {
	question, text string
	last           string // id
	end            string // the type of the last event before the end, if it is none of the text; "all" if that was all
	pieces         int
}

// watch follows a reply as the page does, until its end or until enough pieces are there. It begins behind the last event of v.
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
			if v.pieces++; v.pieces == enough {
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
			return v, errors.New("there was " + event.Type)
		}
	}
	return v, errors.New("the stream was over without an end")
}

// mustWatch is watch for those who wait for it.
func (s *site) mustWatch(id string, v view, enough int) view {
	s.Helper()
	v, err := s.watch(id, v, enough)
	if err != nil {
		s.Fatalf("after %+v: %v", v, err)
	}
	return v
}

// TestAllViewersSeeTheSameTextOnce, whether they come early, in the middle or late.
func TestAllViewersSeeTheSameTextOnce(t *testing.T) {
	model := newScript()
	s := start(t, model.reply)
	id := s.ask("why?")
	pieces := strings.SplitAfter("because the sky is\nblue 🦜 and  wide", " ")
	var watching sync.WaitGroup
	watch := func() {
		for range 5 {
			watching.Go(func() {
				v, err := s.watch(id, view{}, -1)
				if err != nil || v.text != strings.Join(pieces, "") || v.question != "why?" || v.pieces != len(pieces) || v.end != "all" {
					s.Errorf("a viewer sees %+v, %v", v, err)
				}
			})
		}
	}
	watch()
	for i, piece := range pieces {
		if i == len(pieces)/2 {
			watch()
		}
		model.pieces <- piece
	}
	close(model.pieces)
	watching.Wait()
	watch()
	watching.Wait()
}

// TestABreakGoesOnWhereItWas, and the model has not waited for anybody.
func TestABreakGoesOnWhereItWas(t *testing.T) {
	model := newScript()
	s := start(t, model.reply)
	id := s.ask("why?")
	model.pieces <- "one "
	model.pieces <- "two "
	seen := s.mustWatch(id, view{}, 2) // and goes
	model.pieces <- "three "
	close(model.pieces)
	if seen = s.mustWatch(id, seen, -1); seen.text != "one two three " || seen.question != "why?" || seen.pieces != 3 {
		t.Errorf("who came back has seen %+v", seen)
	}
	if seen = s.mustWatch(id, view{}, -1); seen.text != "one two three " || seen.pieces != 3 {
		t.Errorf("who has reloaded the page sees %+v", seen)
	}
}

// TestWhoHasSeenTheEndGets204: EventSource stops for good.
func TestWhoHasSeenTheEndGets204(t *testing.T) {
	model := newScript()
	close(model.pieces)
	s := start(t, model.reply)
	id := s.ask("why?")
	seen := s.mustWatch(id, view{}, -1)
	req := s.request(http.MethodGet, "/events/replies/"+id+"?since=earliest", "")
	req.Header.Set("Last-Event-ID", seen.last)
	if resp := s.send(req); resp.StatusCode != http.StatusNoContent {
		t.Errorf("got %d", resp.StatusCode)
	}
}

// TestACancelStopsTheModelAndEndsTheTopic, which to go away does not.
func TestACancelStopsTheModelAndEndsTheTopic(t *testing.T) {
	model := newScript()
	s := start(t, model.reply)
	id := s.ask("why?")
	model.pieces <- "because "
	s.mustWatch(id, view{}, 1) // and goes
	model.pieces <- "it "
	for range 2 { // the second time there is nothing left to stop
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

func TestAModelThatFailsEndsTheTopic(t *testing.T) {
	model := newScript()
	s := start(t, model.reply)
	id := s.ask("why?")
	model.pieces <- "because "
	model.failed <- errors.New("a secret of the model's")
	if seen := s.mustWatch(id, view{}, -1); seen.text != "because " || seen.end != failedType {
		t.Errorf("a viewer sees %+v", seen)
	}
}

// TestOnlyTheOneReplyCanBeFollowed, nobody publishes, and the log is as it was.
func TestOnlyTheOneReplyCanBeFollowed(t *testing.T) {
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
		t.Errorf("a page of another site asks: %d", resp.StatusCode)
	}
	if now := s.log.Head(); now != head {
		t.Errorf("the log has moved from %s to %s", head, now)
	}
}

// TestAStopEndsTheReplies: their viewers are told so, and nothing begins any more.
func TestAStopEndsTheReplies(t *testing.T) {
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
	model.pieces <- "because "
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

func TestNothingBeginsAfterAStop(t *testing.T) {
	s := start(t, newScript().reply)
	s.replies.stop()
	if resp := s.send(s.request(http.MethodPost, "/ask", "question=why")); resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("got %d", resp.StatusCode)
	}
	if head := s.log.Head(); head.Seq != 0 {
		t.Errorf("the log has moved to %s", head)
	}
}

func TestTheParrotAnswersWordByWordAndCanBeStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var pieces []string
		for text, err := range parrot(time.Hour)(ctx, "100 %?") {
			if len(pieces) == 4 {
				if !errors.Is(err, context.Canceled) {
					t.Errorf("a parrot that was stopped says %q, %v", text, err)
				}
				break
			}
			if pieces = append(pieces, text); len(pieces) == 4 {
				cancel()
			}
		}
		if got := strings.Join(pieces, ""); got != "You asked: “100 %?”\n\nI " {
			t.Errorf("it says %q", got)
		}
	})
}

func TestThePageFollowsItsReply(t *testing.T) {
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
