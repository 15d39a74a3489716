package main

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"
)

const says = `You asked: “%s”

I am a parrot and know only one answer, but I give it as large models do: word by word. 🦜

Each word is an event in the topic of this reply. This page gets all of them from the start, and then the next ones as they arrive. Reload it in the middle: nothing is lost, and the question is not asked again. Close it, and I continue. Open it in ten windows: I still say everything only once.

After my last word the topic ends and viewers see that. Later viewers find the whole reply. Only the button below stops me earlier.`

// parrot returns a fake model that needs no network. It pauses before each word.
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
