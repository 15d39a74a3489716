package main

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"
)

const says = `You asked: “%s”

I am a parrot and know one answer only, but I give it the way large models do: word by word, while it is being thought. 🦜

Each word becomes an event in the topic of this reply. Whoever opens this page gets all of them from the start, and then the next ones as they come. Reload it in the middle: nothing is lost, and nothing is asked twice. Close it, and I go on. Open it in ten windows: I still say everything only once.

When I have said all, the topic ends. Viewers are told so, and who comes later finds the whole reply. Only the button below stops me earlier.`

// parrot is a model for computers without a network.
func parrot(pause time.Duration) model {
	return func(ctx context.Context, question string) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			for word := range strings.SplitAfterSeq(fmt.Sprintf(says, question), " ") {
				select {
				case <-time.After(pause):
				case <-ctx.Done():
					yield("", ctx.Err())
					return
				}
				if !yield(word, nil) {
					return
				}
			}
		}
	}
}
