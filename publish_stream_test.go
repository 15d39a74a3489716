package tidings_test

import (
	"context"
	"errors"
	"iter"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidings-sse/tidings"
	"github.com/tidings-sse/tidings/sse"
	"github.com/tidings-sse/tidings/sse/ssetest"
)

// sequence yields events, and waits before each if told to.
func sequence(all []tidings.Event, pause time.Duration) iter.Seq2[tidings.Event, error] {
	return func(yield func(tidings.Event, error) bool) {
		for _, e := range all {
			time.Sleep(pause)
			if !yield(e, nil) {
				return
			}
		}
	}
}

// TestPublishStreamStoresOnceAndInOrderDespiteFaults, for random faults, speeds and sizes of batches.
func TestPublishStreamStoresOnceAndInOrderDespiteFaults(t *testing.T) {
	for seed := range uint64(60) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			hub := newStoringHub(t)
			hub.fail = func(int) (fault, int) { return fault(random.IntN(4)), random.IntN(12) }
			client := &tidings.Client{URL: "http://hub.example", HTTP: hub.client}
			n := random.IntN(200)
			o := &tidings.PublishOptions{BatchEvents: 1 + random.IntN(20), BatchBytes: 1 + random.IntN(2000)}
			r, err := client.PublishStream(t.Context(), sequence(events(n), time.Duration(random.IntN(2))*time.Second), o)
			if err != nil || r.Count != n || !slices.Equal(hub.all(), numbers(n)) {
				t.Errorf("seed %d: of %d events %d were reported and stored are %q, %v", seed, n, r.Count, hub.all(), err)
			}
			if n > 0 && r.Last != position(n-1) {
				t.Errorf("seed %d: the last one is at %s of %d", seed, r.Last, n)
			}
		})
	}
}

func TestPublishStreamWithTheSameKeyStoresTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newStoringHub(t)
		client := &tidings.Client{URL: "http://hub.example", HTTP: hub.client}
		if _, err := client.PublishStream(t.Context(), sequence(events(50), 0), &tidings.PublishOptions{Key: "import", BatchEvents: 7}); err != nil {
			t.Fatal(err)
		}
		r, err := client.PublishStream(t.Context(), sequence(events(80), time.Millisecond), &tidings.PublishOptions{Key: "import"})
		if err != nil || r.Count != 80 || r.Duplicates != 50 || r.First != "abcde-1" || r.Last != "abcde-80" {
			t.Error(r, err)
		}
		if !slices.Equal(hub.all(), numbers(80)) {
			t.Error(hub.all())
		}
	})
}

// TestPublishStreamShrinksBatchesAfterBrokenConnections: the same batch would break the connection again each time.
func TestPublishStreamShrinksBatchesAfterBrokenConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newStoringHub(t)
		hub.fail = func(n int) (fault, int) {
			if strings.Count(hub.got()[n].body, "\n") > 10 {
				return cut, 0
			}
			return none, 0
		}
		client := &tidings.Client{URL: "http://hub.example", HTTP: hub.client}
		r, err := client.PublishAll(t.Context(), events(1000), &tidings.PublishOptions{BatchEvents: 500})
		if err != nil || r.Count != 1000 || !slices.Equal(hub.all(), numbers(1000)) {
			t.Error(r, err, len(hub.all()))
		}
	})
}

func TestPublishStreamSendsSlowEventsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newStoringHub(t)
		client := &tidings.Client{URL: "http://hub.example", HTTP: hub.client}
		start := time.Now()
		if _, err := client.PublishStream(t.Context(), sequence(events(5), time.Hour), nil); err != nil {
			t.Fatal(err)
		}
		got := hub.got()
		if len(got) != 5 {
			t.Fatalf("%d requests", len(got))
		}
		for i, p := range got {
			if late := p.at.Sub(start) - time.Duration(i+1)*time.Hour; late != 0 {
				t.Errorf("event %d came %v late", i, late)
			}
		}
	})
}

func TestPublishStreamHoldsAtMostTwoBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		server := ssetest.NewServer(t,
			ssetest.Status(http.StatusOK, ssetest.WaitFor(release), ssetest.Send(`{"first":"abcde-1","last":"abcde-10","count":10}`)))
		server.Otherwise(ssetest.Status(http.StatusOK, ssetest.Send(`{"last":"abcde-100","count":10}`)))
		taken := 0
		source := func(yield func(tidings.Event, error) bool) {
			for i, e := range events(100) {
				taken = i + 1
				if !yield(e, nil) {
					return
				}
				if i == 0 { // now the first is on its way
					synctest.Wait()
				}
			}
		}
		done := make(chan error)
		go func() {
			r, err := clientOf(server).PublishStream(t.Context(), source, &tidings.PublishOptions{BatchEvents: 10})
			if r.Count != 100 {
				t.Error(r)
			}
			done <- err
		}()
		time.Sleep(time.Minute)
		synctest.Wait()
		if taken != 12 { // one is being sent, ten wait, and one was just yielded
			t.Errorf("%d events were taken while the hub did not answer", taken)
		}
		close(release)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestRefusalEndsPublishStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := ssetest.NewServer(t, problemAnswer(http.StatusForbidden, "forbidden"))
		taken := 0
		endless := func(yield func(tidings.Event, error) bool) {
			for yield(tidings.Event{Topic: "news"}, nil) {
				taken++
				time.Sleep(time.Second)
			}
		}
		r, err := clientOf(server).PublishStream(t.Context(), endless, nil)
		if !errors.Is(err, tidings.ErrForbidden) || r.Count != 0 || taken > 2 {
			t.Error(r, err, taken)
		}
	})
}

func TestContextEndsPublishStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newStoringHub(t)
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Second)
		defer cancel()
		client := &tidings.Client{URL: "http://hub.example", HTTP: hub.client}
		r, err := client.PublishStream(ctx, sequence(events(100), time.Minute), nil)
		if !errors.Is(err, context.DeadlineExceeded) || r.Count != 2 {
			t.Error(r, err)
		}
	})
}

func TestPublishStreamStoresEventsBeforeASequenceError(t *testing.T) {
	tests := map[string]struct {
		next tidings.Event
		err  error
	}{
		"its own error":             {tidings.Event{}, errors.New("the file is damaged")},
		"an event that is none":     {tidings.Event{}, nil},
		"an event that is not text": {tidings.Event{Topic: "news", Data: []byte{0xFF}}, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hub := newStoringHub(t)
				client := &tidings.Client{URL: "http://hub.example", HTTP: hub.client}
				broken := func(yield func(tidings.Event, error) bool) {
					for _, e := range events(3) {
						yield(e, nil)
					}
					yield(test.next, test.err)
				}
				r, err := client.PublishStream(t.Context(), broken, nil)
				if err == nil || test.err != nil && !errors.Is(err, test.err) || r.Count != 3 || len(hub.all()) != 3 {
					t.Error(r, err, hub.all())
				}
			})
		})
	}
}

// TestPanickingSequenceLeavesNoGoroutine: the test's bubble ends only when all goroutines have ended.
func TestPanickingSequenceLeavesNoGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := ssetest.NewServer(t, ssetest.Status(http.StatusOK, ssetest.Hold()))
		defer func() {
			if recover() != "no more" {
				t.Error("the panic was lost")
			}
		}()
		_, _ = clientOf(server).PublishStream(t.Context(), func(yield func(tidings.Event, error) bool) {
			yield(tidings.Event{Topic: "news"}, nil)
			synctest.Wait()
			panic("no more")
		}, nil)
	})
}

// TestPublishStreamForwardsASubscription: a second hub stores the events of the first, and binary data stays binary.
func TestPublishStreamForwardsASubscription(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from := ssetest.NewServer(t,
			ssetest.Stream(
				ssetest.SendEvent(envelope(1, "a", "one"), envelope(2, "a", "two"), sse.Event{Type: "tidings.end", ID: "abcde-2", Data: `{"topic":"a","topics":["a"]}`}),
				ssetest.Hold()))
		hub := newStoringHub(t)
		client := &tidings.Client{URL: "http://hub.example", HTTP: hub.client}
		r, err := client.PublishStream(t.Context(), clientOf(from).Subscribe(t.Context(), []string{"a"}, nil), nil)
		if err != nil || r.Count != 2 || strings.Join(hub.all(), " ") != "one two" {
			t.Error(r, err, hub.all())
		}
	})
}
