package ordertest

import (
	"testing"
	"time"
)

// TestAnswersOfOneLogAreLinearizable looks at histories of one topic that one log can have produced, and at others that it cannot.
func TestAnswersOfOneLogAreLinearizable(t *testing.T) {
	event := func(from, to time.Duration, content string, a Answer) Operation { // content is the key, too
		return Operation{Call: from, Return: to, Key: content, Content: content, Answer: a}
	}
	keyed := func(from, to time.Duration, key, content string, a Answer) Operation {
		return Operation{Call: from, Return: to, Key: key, Content: content, Answer: a}
	}
	end := func(from, to time.Duration, content string, a Answer) Operation {
		return Operation{Call: from, Return: to, Content: content, End: true, Answer: a}
	}
	read := func(from, to time.Duration, contents ...string) Operation {
		return Operation{Call: from, Return: to, Read: append([]string{}, contents...)}
	}
	tests := map[string]struct {
		operations []Operation
		want       Verdict
	}{
		"one after the other": {
			[]Operation{event(1, 2, "a", IsStored), event(3, 4, "a", IsAgain), end(5, 6, "e", IsStored), event(7, 8, "b", HasEnded)}, Possible,
		},
		"at the same time":                   {[]Operation{end(1, 9, "e", IsStored), event(1, 9, "b", IsStored), event(1, 9, "c", HasEnded)}, Possible},
		"accepted after the end":             {[]Operation{end(1, 2, "e", IsStored), event(3, 4, "b", IsStored)}, Impossible},
		"refused before the end":             {[]Operation{event(1, 2, "b", HasEnded), end(3, 4, "e", IsStored)}, Impossible},
		"stored twice":                       {[]Operation{event(1, 2, "a", IsStored), event(3, 4, "a", IsStored)}, Impossible},
		"stored twice without a key":         {[]Operation{keyed(1, 2, "", "a", IsStored), keyed(3, 4, "", "a", IsStored), read(5, 6, "a", "a")}, Possible},
		"a duplicate of nothing":             {[]Operation{event(1, 2, "a", IsAgain)}, Impossible},
		"a known event of an ended topic":    {[]Operation{event(1, 2, "a", IsStored), end(3, 4, "e", IsStored), event(5, 6, "a", IsAgain)}, Possible},
		"a key of another event":             {[]Operation{keyed(1, 2, "k", "a", IsStored), keyed(3, 4, "k", "b", IsReused)}, Possible},
		"a key of two events":                {[]Operation{keyed(1, 9, "k", "a", IsStored), keyed(1, 9, "k", "b", IsStored)}, Impossible},
		"a key of another event as the same": {[]Operation{keyed(1, 2, "k", "a", IsStored), keyed(3, 4, "k", "b", IsAgain)}, Impossible},
		"a free key refused":                 {[]Operation{keyed(1, 2, "k", "a", IsReused)}, Impossible},
		"a reused key of an ended topic":     {[]Operation{keyed(1, 2, "k", "a", IsStored), end(3, 4, "e", IsStored), keyed(5, 6, "k", "b", IsReused)}, Possible},
		"a key that begins another one":      {[]Operation{keyed(1, 2, "kk", "a", IsStored), keyed(3, 4, "k", "b", IsStored)}, Possible},
		"an unknown end takes effect late":   {[]Operation{end(1, 2, "e", IsUnknown), event(3, 4, "b", IsStored), event(5, 6, "c", HasEnded)}, Possible},
		"an unknown end takes effect early":  {[]Operation{event(1, 2, "b", HasEnded), end(3, 4, "e", IsUnknown)}, Impossible},
		"an unknown end loses its effect": {
			[]Operation{end(1, 2, "e", IsUnknown), event(3, 4, "b", HasEnded), event(5, 6, "c", IsStored)}, Impossible,
		},
		"an unknown event is a duplicate": {[]Operation{event(1, 2, "a", IsUnknown), event(3, 4, "a", IsAgain)}, Possible},
		"a read of nothing":               {[]Operation{event(1, 2, "a", IsStored), read(3, 4)}, Possible},
		"reads agree":                     {[]Operation{event(1, 2, "a", IsStored), event(3, 4, "b", IsStored), read(5, 6, "a"), read(7, 8, "a", "b")}, Possible},
		"a read of another order": {
			[]Operation{event(1, 9, "a", IsStored), event(1, 9, "b", IsStored), read(10, 11, "a", "b"), read(12, 13, "b", "a")}, Impossible,
		},
		"a read before its event":    {[]Operation{read(1, 2, "a"), event(3, 4, "a", IsStored)}, Impossible},
		"a read of a refused event":  {[]Operation{end(1, 2, "e", IsStored), event(3, 4, "b", HasEnded), read(5, 6, "e", "b")}, Impossible},
		"a read leaves out an event": {[]Operation{event(1, 2, "a", IsStored), event(3, 4, "b", IsStored), read(5, 6, "b")}, Impossible},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := Linearizable(test.operations, time.Minute); got != test.want {
				t.Errorf("the history is %s, want %s", got, test.want)
			}
		})
	}
}
