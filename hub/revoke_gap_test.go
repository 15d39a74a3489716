package hub_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
)

const revocationsTopic = "$tidings/revocations"

// gappyLog is a log whose records the hub does not see as they come.
type gappyLog struct {
	*eventlog.Memory
	tail   sync.Mutex    // held by the test: the hub does not learn of new records
	lacks  atomic.Bool   // the log lacks the newest revocation
	broken atomic.Bool   // revocations cannot be read
	copies atomic.Uint64 // see [eventlog.Copier]
}

func (l *gappyLog) Copies() uint64 { return l.copies.Load() }

func (l *gappyLog) Read(ctx context.Context, q eventlog.Query) (eventlog.Answer, error) {
	if q.Selector.All() {
		l.tail.Lock()
		defer l.tail.Unlock()
	}
	if l.broken.Load() && slices.Contains(q.Selector.Names(), revocationsTopic) {
		return eventlog.Answer{}, errors.New("the disk is broken")
	}
	a, err := l.Memory.Read(ctx, q)
	if l.lacks.Load() {
		a.Records = slices.DeleteFunc(slices.Clone(a.Records), func(r eventlog.Record) bool { return strings.Contains(r.Data, `"ann"`) })
	}
	return a, err
}

// revokeElsewhere appends a revocation as another hub does, without a broadcast.
func (l *gappyLog) revokeElsewhere(t *testing.T, subject string) {
	t.Helper()
	mustAppend(t, l, eventlog.Record{
		Topics: []string{revocationsTopic}, Type: "revocation", Data: fmt.Sprintf(`[{"sub":%q,"at":%q}]`, subject, time.Now().UTC().Format(time.RFC3339Nano)),
	})
}

// skipsRevocation are the ways in which the hub skips a revocation of ann that another hub has made.
var skipsRevocation = map[string]func(*testing.T, *gappyLog){
	"a new generation": func(t *testing.T, log *gappyLog) {
		log.tail.Lock()
		defer log.tail.Unlock()
		log.revokeElsewhere(t, "ann")
		if err := log.SetGeneration(t.Context(), "other", log.Head().Seq); err != nil {
			t.Error(err)
		}
	},
	"a hole": func(t *testing.T, log *gappyLog) {
		log.tail.Lock()
		defer log.tail.Unlock()
		log.revokeElsewhere(t, "ann")
		if err := log.Skip(t.Context(), log.Head().Seq+10, eventlog.Rollback); err != nil {
			t.Error(err)
		}
	},
	"a copy that has it before the head": func(t *testing.T, log *gappyLog) {
		log.lacks.Store(true)
		log.revokeElsewhere(t, "ann")
		mustAppend(t, log, eventlog.Record{Topics: []string{"other"}})
		log.lacks.Store(false)
		log.copies.Add(1)
		mustAppend(t, log, eventlog.Record{Topics: []string{"other"}})
	},
}

// TestRevocationBeforeAGapIsInForce: a hub that skipped the record of a revocation accepted the token until its restart.
func TestRevocationBeforeAGapIsInForce(t *testing.T) {
	t.Parallel()
	for name, skip := range skipsRevocation {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := &gappyLog{Memory: mustMemory(t, nil)}
			k := serveKeyed(t, log, hub.Options{}, transports[0])
			ann, bob, carl := bearer(k.token(old("ann", ""))), bearer(k.token(old("bob", ""))), bearer(k.token(old("carl", "")))
			k.revoke(`{"sub":"carl"}`)
			its, other := k.follow("/events/news", ann), k.follow("/events/news", bob)
			its.want("tidings.checkpoint:{}")
			other.want("tidings.checkpoint:{}")
			skip(t, log)
			await(t, "the stream of the revoked token ends", func() bool { return k.hub.Closed("revoked") == 1 })
			for name, header := range map[string]map[string]string{"ann": ann, "carl": carl} {
				refused(t, name, k.send(request{path: "/events/news", body: "x", header: header}), http.StatusUnauthorized, "unauthorized", "revoked")
			}
			if a := k.send(request{path: "/events/news", body: "goes on", header: bob}); a.status != http.StatusOK {
				t.Errorf("bob: %+v", a)
			}
			for e := other.next(); e.Data != "goes on"; e = other.next() {
				if !strings.HasPrefix(e.Type, "tidings.") {
					t.Errorf("bob gets %+v", e)
				}
			}
		})
	}
}

// TestHubIsNotReadyUntilItHasReadTheRevocationsThatItSkipped: it delivers nothing meanwhile, so that the stream of a revoked token gets no event.
func TestHubIsNotReadyUntilItHasReadTheRevocationsThatItSkipped(t *testing.T) {
	t.Parallel()
	log := &gappyLog{Memory: mustMemory(t, nil)}
	k := serveKeyed(t, log, hub.Options{}, transports[0])
	its := k.follow("/events/news", bearer(k.token(old("ann", ""))))
	its.want("tidings.checkpoint:{}")
	log.broken.Store(true)
	skipsRevocation["a hole"](t, log)
	mustAppend(t, log, eventlog.Record{Topics: []string{"news"}, Data: "secret"})
	ready := func() bool { return k.send(request{path: "/readyz"}).status == http.StatusOK }
	await(t, "the hub is not ready", func() bool { return !ready() })
	log.broken.Store(false)
	await(t, "the hub is ready again", ready)
	await(t, "the stream of the revoked token ends", func() bool { return k.hub.Closed("revoked") == 1 })
	its.end()
	if !strings.Contains(k.logs.String(), "reading the revocations again: the disk is broken") {
		t.Errorf("the log does not say what could not be read: %s", k.logs)
	}
}

// TestRevocationsOutliveALogThatLostThem: a new generation may drop the newest records. Without a snapshot in it, the tokens would be accepted
// again after a restart.
func TestRevocationsOutliveALogThatLostThem(t *testing.T) {
	t.Parallel()
	log := &gappyLog{Memory: mustMemory(t, nil)}
	h := mustHub(t, log, nil)
	if err := h.Revoke(access.Revocation{Subject: "ann", At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if err := log.SetGeneration(t.Context(), "other", 0); err != nil {
		t.Fatal(err)
	}
	await(t, "a snapshot", func() bool {
		if err := h.KeepRevocations(); err != nil {
			t.Fatal(err)
		}
		return log.Head().Seq > 0
	})
	if !h.Revoked(access.Grant{Subject: "ann"}) {
		t.Error("the hub has forgotten the revocation")
	}
	if err := h.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	again := mustHub(t, log, nil)
	defer func() { _ = again.Shutdown(t.Context()) }()
	if !again.Revoked(access.Grant{Subject: "ann"}) {
		t.Error("after a restart the revoked token is accepted again")
	}
}

// TestLocalSubscriberLearnsOfAGapAtOnce: it learned of one only with the next event.
func TestLocalSubscriberLearnsOfAGapAtOnce(t *testing.T) {
	t.Parallel()
	log := mustMemory(t, nil)
	h := mustHub(t, log, nil)
	defer func() { _ = h.Shutdown(context.Background()) }()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	mustAppend(t, log, eventlog.Record{Topics: []string{"news"}})
	found := errors.New("a gap")
	for _, err := range h.Subscribe(ctx, eventlog.Topics("news"), &hub.SubscribeOptions{Seek: &eventlog.Start{}, OnGap: func(hub.Gap) error { return found }}) {
		if errors.Is(err, found) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
		go func() { // the subscriber waits meanwhile, or is about to
			if err := log.Skip(ctx, log.Head().Seq+10, eventlog.Rollback); err != nil {
				t.Error(err)
			}
		}()
	}
}
