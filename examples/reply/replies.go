package main

import (
	"context"
	"crypto/rand"
	"errors"
	"iter"
	"log/slog"
	"sync"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
)

// model yields the chunks of a reply, and an error if the reply is incomplete. The functions in ../llm that ask real
// models return the same kind of sequence.
type model func(ctx context.Context, question string) iter.Seq2[string, error]

// replies publishes each reply to its own topic: the question, the chunks of the reply, and the end.
type replies struct {
	hub   *hub.Hub
	log   eventlog.Log
	model model

	active sync.WaitGroup

	mu      sync.Mutex                    // guards the following
	running map[string]context.CancelFunc // by id
	stopped bool
}

func newReplies(log eventlog.Log, ask model) (*replies, error) {
	r := &replies{log: log, model: ask, running: make(map[string]context.CancelFunc)}
	var err error
	r.hub, err = hub.New(log, &hub.Options{Authorize: r.authorize})
	return r, err
}

// Types of the events of a topic. A chunk of text has the default type. A complete reply ends without a stopped or
// failed event.
const (
	questionType = "question"
	stoppedType  = "stopped" // a viewer stopped the reply
	failedType   = "failed"  // the model failed
)

var errStopping = errors.New("the server is shutting down")

// start asks the model and returns the ID of the reply at once. A goroutine publishes the reply.
func (r *replies) start(ctx context.Context, question string) (id string, err error) {
	id = rand.Text()
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // the reply outlives the request; cancel and stop end it
	if !r.enter(id, cancel) {
		cancel()
		return "", errStopping
	}
	// The topic must exist before a viewer has its ID.
	if _, err := r.hub.Publish(ctx, hub.Event{Topics: topics(id), Type: questionType, Data: question}); err != nil {
		r.leave(id)
		return "", err
	}
	go func() {
		defer r.leave(id)
		r.copy(ctx, id, question)
	}()
	return id, nil
}

// copy publishes a reply as it arrives. It always ends the topic, so that no viewer waits forever.
func (r *replies) copy(ctx context.Context, id, question string) {
	end := hub.Event{Topics: topics(id), End: true}
	err := r.copyChunks(ctx, id, question)
	switch {
	case err != nil && ctx.Err() != nil:
		end.Type = stoppedType
	case err != nil:
		slog.Error("the model failed; the reply is incomplete", "id", id, "err", err)
		end.Type = failedType // viewers do not get the error
	}
	if _, err := r.hub.Publish(context.WithoutCancel(ctx), end); err != nil {
		slog.Error("the end of a reply could not be published; its viewers keep waiting", "id", id, "err", err)
	}
}

func (r *replies) copyChunks(ctx context.Context, id, question string) error {
	for text, err := range r.model(ctx, question) {
		if err != nil {
			return err
		}
		if _, err := r.hub.Publish(ctx, hub.Event{Topics: topics(id), Data: text}); err != nil {
			return err
		}
	}
	return nil
}

func topics(id string) []string { return []string{"replies/" + id} }

// known reports whether the topic of a reply exists.
func (r *replies) known(ctx context.Context, id string) (bool, error) {
	q, err := r.log.Seek(ctx, eventlog.Topics(topics(id)...), eventlog.Start{Last: 1})
	if err != nil {
		return false, err
	}
	answer, err := r.log.Read(ctx, q)
	return len(answer.Records) > 0, err
}

// cancel stops a running reply. It has no effect on one that has ended.
func (r *replies) cancel(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if cancel, ok := r.running[id]; ok {
		cancel()
	}
}

// stop stops all replies and returns when their topics have ended. Later calls of start fail.
func (r *replies) stop() {
	r.mu.Lock()
	r.stopped = true
	for _, cancel := range r.running {
		cancel()
	}
	r.mu.Unlock()
	r.active.Wait()
}

// enter registers a running reply. It returns false after stop.
func (r *replies) enter(id string, cancel context.CancelFunc) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped {
		return false
	}
	r.active.Add(1)
	r.running[id] = cancel
	return true
}

func (r *replies) leave(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running[id]()
	delete(r.running, id)
	r.active.Done()
}
