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

// model says its reply piece by piece; an error means that it is not whole. The functions of ../llm that ask a real
// model return the same sequence.
type model func(ctx context.Context, question string) iter.Seq2[string, error]

// replies are topics of their own each: a question, the pieces of the reply, and an end.
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

// What a topic has besides pieces of text, which are messages. An end without any of these is that of a whole reply.
const (
	questionType = "question"
	stoppedType  = "stopped" // somebody did not want the rest
	failedType   = "failed"  // the model did
)

var errStopping = errors.New("the server is about to stop")

// start asks the model and returns the id of the reply, which comes in its own time.
func (r *replies) start(ctx context.Context, question string) (id string, err error) {
	id = rand.Text()
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // it ends with stop, not with the request
	if !r.enter(id, cancel) {
		cancel()
		return "", errStopping
	}
	// Before anybody has the id: a viewer's topic is there.
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

// copy publishes a reply as it comes. Whatever happens it ends the topic, so that no viewer waits for nothing.
func (r *replies) copy(ctx context.Context, id, question string) {
	end := hub.Event{Topics: topics(id), End: true}
	err := r.copyPieces(ctx, id, question)
	switch {
	case err != nil && ctx.Err() != nil:
		end.Type = stoppedType
	case err != nil:
		slog.Error("a reply is not whole", "id", id, "err", err)
		end.Type = failedType // why is not for viewers
	}
	if _, err := r.hub.Publish(context.WithoutCancel(ctx), end); err != nil {
		slog.Error("a reply has no end, and its viewers wait", "id", id, "err", err)
	}
}

func (r *replies) copyPieces(ctx context.Context, id, question string) error {
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

// known reports whether there is a reply.
func (r *replies) known(ctx context.Context, id string) (bool, error) {
	q, err := r.log.Seek(ctx, eventlog.Topics(topics(id)...), eventlog.Start{Last: 1})
	if err != nil {
		return false, err
	}
	answer, err := r.log.Read(ctx, q)
	return len(answer.Records) > 0, err
}

// cancel ends a reply where it is. One that has ended stays as it is.
func (r *replies) cancel(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if cancel, ok := r.running[id]; ok {
		cancel()
	}
}

// stop ends all replies, and returns when their topics have ended.
func (r *replies) stop() {
	r.mu.Lock()
	r.stopped = true
	for _, cancel := range r.running {
		cancel()
	}
	r.mu.Unlock()
	r.active.Wait()
}

// enter counts a reply, unless all are to stop.
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
