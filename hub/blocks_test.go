package hub_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
	"github.com/tidings-sse/tidings/internal/blockcheck"
	"github.com/tidings-sse/tidings/internal/wire"
	"github.com/tidings-sse/tidings/sse"
)

// Streams are also safe for clients that do not follow the standard exactly. checkBlocks checks this for every stream that a test of this
// package reads.

// The reconnection times of a stream's start and of its end. They are random and round up to a millisecond, so that 5000 is rare, but possible.
const (
	retry2to5s = `retry: (?:[2-4][0-9]{3}|5000)`
	retry1to5s = `retry: (?:[1-4][0-9]{3}|5000)`
)

// tellsRetry matches the stream that a refused subscriber gets: one event with a reconnection time.
var tellsRetry = regexp.MustCompile(`^event: tidings\.retry\nretry: [0-9]+\ndata: \{.*\}\n\n$`)

// TestStreamBeginsWithReconnectionTime: the first checkpoint has it. Only a gap may come before.
func TestStreamBeginsWithReconnectionTime(t *testing.T) {
	t.Parallel()
	each(t, nil, func(s *site) {
		s.post("news", "1")
		head := s.log.Head().String()
		const gap = `event: tidings\.gap\ndata: \{"reason":"reset","from":"zzzzz-3","to":"` + `[0-9a-z-]+"\}\n\n`
		checkpoint := `event: tidings\.checkpoint\n` + retry2to5s + `\ndata: \{\}\nid: ` + head + `\n\n`
		for query, header := range map[string]map[string]string{
			"?poll=1&last_event_id=" + head:                 nil,
			"?poll=1&format=envelope&last_event_id=" + head: nil,
			"?poll=1&since=1h":                              {"Last-Event-ID": head},
			"?poll=1&since=1s":                              {"Last-Event-ID": "zzzzz-3"},
		} {
			want := "^" + checkpoint
			if header["Last-Event-ID"] == "zzzzz-3" {
				want = "^" + gap + `event: tidings\.checkpoint\n` + retry2to5s + `\ndata: \{\}\nid: [0-9a-z-]+\n\n`
			}
			a := s.send(request{path: "/events/news" + query, header: header})
			if !regexp.MustCompile(want).MatchString(a.body) {
				s.Errorf("%s %v begins with %q, want %s", query, header, a.body, want)
			}
		}
	})
}

// TestEveryControlEventHasJSONAsData in event streams and in NDJSON, so that a consumer that parses all data does not fail.
func TestEveryControlEventHasJSONAsData(t *testing.T) {
	t.Parallel()
	each(t, nil, func(s *site) {
		s.post("news", `{"a":1}`)
		s.send(request{method: http.MethodPost, path: "/events/news?end=1"})
		header := map[string]string{"Accept": "application/x-ndjson", "Last-Event-ID": "zzzzz-3"}
		a := s.send(request{path: "/events/news?since=earliest&poll=1", header: header})
		types := map[string]bool{}
		for line := range strings.Lines(a.body) {
			var e wire.Envelope
			var data map[string]any
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				s.Fatal(err)
			}
			if err := json.Unmarshal([]byte(e.Data), &data); err != nil {
				s.Errorf("the data of %s: %v", line, err)
			}
			types[e.Type] = true
		}
		for _, typ := range []string{"tidings.gap", "tidings.checkpoint", "tidings.end", "message"} {
			if !types[typ] {
				s.Errorf("there is no %s in\n%s", typ, a.body)
			}
		}
	})
}

// TestClientThatDispatchesAtEveryBlankLineGetsNoEmptyEvent: the client reads a quiet stream with few events until the hub shuts down.
func TestClientThatDispatchesAtEveryBlankLineGetsNoEmptyEvent(t *testing.T) {
	t.Parallel()
	each(t, &hub.Options{Heartbeat: 5 * time.Millisecond}, func(s *site) {
		resp := s.openUnread("/events/news", nil)
		heartbeats := &awaited{Reader: resp.Body, what: []byte(":\n")}
		var got []string
		var wrong []blockcheck.Message
		client := blockcheck.Hasty{}
		var reading sync.WaitGroup
		reading.Go(func() {
			err := client.Read(heartbeats, func(m blockcheck.Message) {
				switch {
				case m.Type == "":
					got = append(got, m.Data)
				case m.Type != "tidings.checkpoint" || m.Data != "{}" || m.ID == "":
					wrong = append(wrong, m)
				}
			})
			if err != nil {
				s.Error(err)
			}
		})
		want := []string{"0", "1", "2"}
		for i, data := range want {
			await(s.T, "a heartbeat arrives", func() bool { return heartbeats.seen.Load() > int64(i) })
			s.post("news", data)
			s.post("other", "x")
		}
		s.shutdown()
		reading.Wait()
		if fmt.Sprint(got) != fmt.Sprint(want) || len(wrong) > 0 {
			s.Errorf("a page gets %q, want %q; and %+v", got, want, wrong)
		}
		if client.LastEventID != s.log.Head().String() || client.Retry == "" {
			s.Errorf("the stream ends with %+v, want a reconnection time and the ID %s", client, s.log.Head())
		}
	})
}

// awaited counts the events of a stream.
type awaited struct {
	io.Reader
	what []byte
	seen atomic.Int64
}

func (a *awaited) Read(p []byte) (int, error) {
	n, err := a.Reader.Read(p)
	a.seen.Add(int64(bytes.Count(p[:n], a.what)))
	return n, err
}

func (s *site) shutdown() {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	if err := s.hub.Shutdown(ctx); err != nil {
		s.Errorf("Shutdown: %v", err)
	}
}

// TestClientThatStoresIDsEarlyLosesEventsOnlyAfterTheID: some clients store an id before the event is complete. Because the hub writes the id
// last, they lose an event only if the connection breaks between the id and the blank line.
func TestClientThatStoresIDsEarlyLosesEventsOnlyAfterTheID(t *testing.T) {
	t.Parallel()
	s := serve(t, mustMemory(t, nil), nil, transports[0])
	begin := s.log.Head()
	want := []string{"one", "two", "three"}
	for _, data := range want {
		s.post("news", data)
	}
	const path = "/events/news?poll=1"
	stream := s.send(request{path: path, header: lastID(begin)}).body
	lost := 0
	for cut := range stream {
		client := blockcheck.Hasty{LastEventID: begin.String()}
		var got []string
		dispatch := func(m blockcheck.Message) {
			if m.Type == "" {
				got = append(got, m.Data)
			}
		}
		parts := []string{stream[:cut], ""}
		if err := client.Read(strings.NewReader(parts[0]), dispatch); err != nil {
			t.Fatal(err)
		}
		parts[1] = s.send(request{path: path, header: map[string]string{"Last-Event-ID": client.LastEventID}}).body
		if err := client.Read(strings.NewReader(parts[1]), dispatch); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(got) == fmt.Sprint(want) {
			continue
		}
		if lost++; !regexp.MustCompile(`\nid: [0-9a-z-]+\n$`).MatchString(parts[0]) || len(got) != len(want)-1 {
			t.Errorf("cut behind %q it gets %q, want %q", parts[0], got, want)
		}
	}
	if lost != len(want) {
		t.Errorf("%d of %d places lose an event, want one for each of %d events", lost, len(stream), len(want))
	}
}

// TestLastCheckpointMatchesSentEvents: a stream that the client should resume ends with a checkpoint and a reconnection time, for every
// reason to end. The client that resumes gets all events, also those published at that moment.
func TestLastCheckpointMatchesSentEvents(t *testing.T) {
	t.Parallel()
	o := &hub.Options{Authorize: func(r *http.Request) (access.Grant, error) {
		g := all(r.Header.Get("X-Subject"))
		g.IssuedAt = time.Now().Add(-time.Minute)
		return g, nil
	}}
	each(t, o, func(s *site) {
		for i := range 10 {
			path, subject := "/events/news", fmt.Sprint("ann-", i)
			if i%2 == 1 {
				path += "?format=envelope"
			}
			checkEnd(s, path, subject, func() {
				if err := s.hub.Revoke(access.Revocation{Subject: subject, At: time.Now()}); err != nil {
					s.Error(err)
				}
			})
		}
		checkEnd(s, "/events/news", "bob", s.shutdown)
	})
}

// checkEnd ends a stream while events are published, and compares the last checkpoint with the events before it. All events together fit
// into a socket, because the hub disconnects stalled streams.
func checkEnd(s *site, path, subject string, end func()) {
	s.Helper()
	resp := s.openUnread(path, map[string]string{"X-Subject": subject})
	var published []eventlog.Position
	some := make(chan struct{})
	var publishing sync.WaitGroup
	publishing.Go(func() {
		for i := range 200 {
			receipts := mustAppend(s.T, s.log, eventlog.Record{Topics: []string{"news"}, Data: "x"})
			if published = append(published, receipts[0].Position); i == 20 {
				close(some)
			}
		}
	})
	<-some
	end()
	text := readAll(s, resp)
	publishing.Wait()
	blocks := strings.SplitAfter(text, "\n\n")
	last := regexp.MustCompile(`^event: tidings\.checkpoint\n` + retry1to5s + `\ndata: \{\}\nid: ([0-9a-z]+-[0-9]+)\n\n$`).
		FindStringSubmatch(blocks[max(0, len(blocks)-2)])
	if last == nil || blocks[len(blocks)-1] != "" {
		s.Errorf("the stream ends with %q", blocks[max(0, len(blocks)-3):])
		return
	}
	sent := 0
	for e, err := range sse.Read(strings.NewReader(text), nil) {
		if err != nil {
			s.Fatal(err)
		}
		if e.Type != sse.DefaultType {
			continue
		}
		if e.ID != published[sent].String() {
			s.Fatalf("event %d is %s, and was published as %s", sent, e.ID, published[sent])
		}
		sent++
	}
	at, err := eventlog.ParsePosition(last[1])
	if err != nil || sent > 0 && at.Seq < published[sent-1].Seq || sent < len(published) && at.Seq >= published[sent].Seq {
		s.Errorf("the checkpoint at %v (%v) does not match the %d events before it: %v", at, err, sent, published)
	}
}
