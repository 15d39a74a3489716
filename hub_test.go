package tidings_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidings-sse/tidings"
	"github.com/tidings-sse/tidings/sse/ssetest"
)

// storingHub is a hub for publishers. It stores each event of a key once, and fails as the test demands. It refuses a known key
// with other content, so that a client fails if it numbers the same events differently.
type storingHub struct {
	client *http.Client

	// fail, when set, returns the fault that ends request n, counted from 0, and how many of its events are stored before.
	fail func(n int) (fault, int)

	mu       sync.Mutex // guards the following
	stored   []string   // the events' data, in the order of their positions
	keys     map[string]int
	requests []posted
}

// posted is a request that a storingHub got.
type posted struct {
	at     time.Time
	header http.Header
	query  string
	body   string
}

type fault int

const (
	none    fault = iota
	cut           // no answer
	busy          // 503, with the number of stored events
	limited       // 429, without that number
)

func newStoringHub(t *testing.T) *storingHub {
	h := &storingHub{keys: make(map[string]int)}
	l := ssetest.NewListener()
	server := &http.Server{Handler: h}
	server.SetKeepAlivesEnabled(false)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(l)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-served
	})
	h.client = l.Client()
	return h
}

func (h *storingHub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	h.mu.Lock()
	n := len(h.requests)
	h.requests = append(h.requests, posted{time.Now(), r.Header, r.URL.RawQuery, string(body)})
	h.mu.Unlock()
	failure, at := none, 0
	if h.fail != nil {
		failure, at = h.fail(n)
	}
	if r.Header.Get("Content-Type") != "application/x-ndjson" {
		h.single(w, r, string(body), failure)
		return
	}
	answer := map[string]any{}
	duplicates, count := 0, 0
	for line := range bytes.Lines(body) {
		if failure != none && count == at {
			break
		}
		var e struct {
			Topic, Key, Data string
			Topics           []string
		}
		if err := json.Unmarshal(line, &e); err != nil {
			refuse(w, http.StatusBadRequest, "invalid-event", count, h.last())
			return
		}
		id, duplicate, err := h.store(e.Topic+strings.Join(e.Topics, " "), e.Key, e.Data)
		if err != nil {
			refuse(w, http.StatusUnprocessableEntity, "key-reused", count, h.last())
			return
		}
		if count == 0 {
			answer["first"] = id
		}
		if duplicate {
			duplicates++
		}
		count++
		answer["last"] = id
	}
	switch failure {
	case none:
		answer["count"], answer["duplicates"] = count, duplicates
		reply(w, http.StatusOK, answer)
	case cut:
		panic(http.ErrAbortHandler)
	case busy:
		last, _ := answer["last"].(string)
		refuse(w, http.StatusServiceUnavailable, "unavailable", count, last)
	case limited:
		w.Header().Set("Retry-After", "2")
		w.WriteHeader(http.StatusTooManyRequests)
	}
}

func (h *storingHub) single(w http.ResponseWriter, r *http.Request, data string, failure fault) {
	if failure == busy || failure == limited {
		refuse(w, http.StatusServiceUnavailable, "unavailable", 0, "")
		return
	}
	id, duplicate, err := h.store(r.URL.Query().Get("topic"), r.Header.Get("Idempotency-Key"), data)
	switch {
	case err != nil:
		refuse(w, http.StatusUnprocessableEntity, "key-reused", 0, "")
	case failure == cut:
		panic(http.ErrAbortHandler)
	case duplicate:
		reply(w, http.StatusOK, map[string]any{"id": id, "duplicate": true})
	default:
		reply(w, http.StatusOK, map[string]any{"id": id})
	}
}

func (h *storingHub) store(topic, key, data string) (id string, duplicate bool, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if i, ok := h.keys[topic+" "+key]; ok && key != "" {
		if h.stored[i] != data {
			return "", false, fmt.Errorf("the key %q has been used for %q, now it is %q", key, h.stored[i], data)
		}
		return position(i), true, nil
	}
	h.keys[topic+" "+key] = len(h.stored)
	h.stored = append(h.stored, data)
	return position(len(h.stored) - 1), false, nil
}

func (h *storingHub) last() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.stored) == 0 {
		return ""
	}
	return position(len(h.stored) - 1)
}

func (h *storingHub) all() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string(nil), h.stored...)
}

func (h *storingHub) got() []posted {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]posted(nil), h.requests...)
}

// position is that of the event with index i.
func position(i int) string { return fmt.Sprintf("abcde-%d", i+1) }

func reply(w http.ResponseWriter, status int, document any) {
	w.Header().Set("Content-Type", "application/json")
	if status != http.StatusOK {
		w.Header().Set("Content-Type", "application/problem+json")
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(document)
}

func refuse(w http.ResponseWriter, status int, name string, stored int, last string) {
	reply(w, status, map[string]any{
		"type": "urn:tidings:problem:" + name, "title": "No", "status": status, "detail": "not like this", "stored": stored, "last": last,
	})
}

// clientOf returns a client of a scripted hub.
func clientOf(s *ssetest.Server) *tidings.Client {
	return &tidings.Client{URL: s.URL, HTTP: s.Client(), Token: "secret"}
}

// problemAnswer is a refusal with a document.
func problemAnswer(status int, name string) ssetest.Answer {
	text := fmt.Sprintf(`{"type":"urn:tidings:problem:%s","title":"No","status":%d,"detail":"not like this"}`, name, status)
	return ssetest.Status(status, ssetest.Send(text)).With("Content-Type", "application/problem+json")
}

// stored is the answer to one event.
func stored(id string) ssetest.Answer {
	return ssetest.Status(http.StatusOK, ssetest.Send(`{"id":"`+id+`"}`)).With("Content-Type", "application/json")
}
