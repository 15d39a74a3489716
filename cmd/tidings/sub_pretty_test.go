package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidings-sse/tidings/sse"
)

// prettily returns the output for events on a terminal of the given width. There is one event each second, starting at noon.
func prettily(t *testing.T, width int, s style, events ...sse.Event) string {
	t.Helper()
	var b strings.Builder
	p := newPretty(&b, s, func() int { return width })
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for _, e := range events {
		if err := p.event(message{Event: e.Normal()}, at); err != nil {
			t.Fatal(err)
		}
		at = at.Add(time.Second)
	}
	return b.String()
}

func TestPrettyAlignsColumns(t *testing.T) {
	got := prettily(t, 80, false,
		sse.Event{Data: "one"},
		sse.Event{Type: "clock", ID: "k3f9a-1", Data: "12:00"},
		sse.Event{Type: "tidings.checkpoint", ID: "k3f9a-2"},
		sse.Event{Type: "host", ID: "k3f9a-2", Data: `{"cpu":12.5,"load1":0.75,"memory":{"used":650567680,"total":25276502016}}`},
		sse.Event{Data: "two\n\n  lines"},
		sse.Event{Data: "a text that is longer than what fits beside the other columns"},
		sse.Event{Type: "error", ID: "an id that is longer than its column", Data: "it\tbroke"},
		sse.Event{Type: "a type with a very long name", Data: "x"},
	)
	want := `
12:00:00.000  message  one
12:00:01.000  clock    k3f9a-1  12:00
12:00:02.000  tidings.checkpoint  k3f9a-2  (no data)
12:00:03.000  host              {"cpu": 12.5, "load1": 0.75,
                                 "memory": {"used": 650567680,
                                  "total": 25276502016}}
12:00:04.000  message           two

                                  lines
12:00:05.000  message           a text that is longer than what fits beside the
                                other columns
12:00:06.000  error             id an id that is longer than its column
                                it	broke
12:00:07.000  a type with a very long name           x
`
	if diff := cmp.Diff(strings.TrimPrefix(want, "\n"), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestPrettyShowsWhenAnEventWasStored: with --last and --since, all replayed events showed the same time, that of arrival.
func TestPrettyShowsWhenAnEventWasStored(t *testing.T) {
	var b strings.Builder
	p := newPretty(&b, false, func() int { return 80 })
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.FixedZone("", 3600))
	for _, e := range []sse.Event{
		{ID: "k3f9a-1", Data: `{"id":"k3f9a-1","topic":"news","time":"2026-11-22T10:30:00.5Z","data":"today"}`},
		{ID: "k3f9a-2", Data: `{"id":"k3f9a-2","topic":"news","time":"2026-11-15T23:30:00Z","data":"last week"}`},
		{ID: "k3f9a-3", Data: `{"id":"k3f9a-3","topic":"news","data":"of an unknown time"}`},
	} {
		if err := p.event(unwrap(e.Normal()), at); err != nil {
			t.Fatal(err)
		}
	}
	want := `
11:30:00.500  news  message  k3f9a-1  today
2026-11-16 00:30:00  news  message  k3f9a-2  last week
       12:00:00.000  news  message  k3f9a-3  of an unknown time
`
	if diff := cmp.Diff(strings.TrimPrefix(want, "\n"), b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestWideCharactersKeepColumnsAligned: a terminal shows 世界 in four columns, é in one, and a family of joined people in two.
func TestWideCharactersKeepColumnsAligned(t *testing.T) {
	got := prettily(t, 80, false,
		sse.Event{Type: "世界", Data: "four"},
		sse.Event{Type: "cafe\u0301", Data: "four, too"},
		sse.Event{Type: "👨\u200d👩\u200d👧", Data: "two"},
		sse.Event{Data: "message sets the width"},
	)
	want := "12:00:00.000  世界     four\n" +
		"12:00:01.000  cafe\u0301     four, too\n" +
		"12:00:02.000  👨\u200d👩\u200d👧       two\n" +
		"12:00:03.000  message  message sets the width\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPrettyPutsDataBelowOnANarrowTerminal(t *testing.T) {
	got := prettily(t, 50, false, sse.Event{ID: "k3f9a-1", Data: `{"cpu":12.5,"load1":0.75,"memory":{"used":650567680}}`})
	want := `
12:00:00.000  message  k3f9a-1
    {"cpu": 12.5, "load1": 0.75,
     "memory": {"used": 650567680}}
`
	if diff := cmp.Diff(strings.TrimPrefix(want, "\n"), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPrettyDescribesControlEventsInSentences(t *testing.T) {
	got := prettily(t, 0, false,
		sse.Event{Type: "tidings.gap", Data: `{"reason":"trimmed","from":"k3f9a-1","to":"k3f9a-9"}`},
		sse.Event{Type: "tidings.gap", Data: `{"reason":"reset","from":"old","to":"k3f9a-9"}`},
		sse.Event{Type: "tidings.gap", Data: `{"reason":"of a hub to come"}`},
		sse.Event{Type: "tidings.end", ID: "k3f9a-10", Data: `{"topic":"builds/1","topics":["builds/1","builds"]}`},
		sse.Event{Type: "tidings.end", ID: "k3f9a-11", Data: `{"topic":"\u001b[2J"}`},
		sse.Event{Type: "tidings.retry", Data: `{"title":"Busy","detail":"there are too many streams","status":503}`},
		sse.Event{Type: "tidings.expiring", Data: `{}`},
		sse.Event{Type: "tidings.new", Data: `{"a":1}`},
		sse.Event{Type: "tidings.gap", Data: `nonsense`},
		sse.Event{Type: "gap", Data: `{"reason":"trimmed"}`})
	for i, want := range []string{
		"events are missing after k3f9a-1, up to k3f9a-9 (trimmed): the hub no longer retains them",
		"events are missing after old, up to k3f9a-9 (reset): the position belongs to another log",
		"events are missing (of a hub to come)",
		"builds/1, builds are complete: nothing more will be published there",
		"␛[2J is complete",
		"the hub asks to reconnect later: there are too many streams",
		"the token expires soon",
		`{"a": 1}`, "nonsense", `{"reason": "trimmed"}`,
	} {
		if line := strings.Split(got, "\n")[i]; !strings.Contains(line, want) {
			t.Errorf("line %d is %q, want %q in it", i, line, want)
		}
	}
}

func TestPrettyColoursTypesInOrderOfAppearance(t *testing.T) {
	got := prettily(t, 0, true,
		sse.Event{Type: "host", Data: "x"}, sse.Event{Data: "x"}, sse.Event{Type: "clock", Data: "x"},
		sse.Event{Type: "host", Data: "x"}, sse.Event{Type: "error", Data: "x"}, sse.Event{Type: "tidings.end", Data: "x"},
	)
	for i, want := range []string{"\x1b[36mhost", "  message", "\x1b[32mclock", "\x1b[36mhost", "\x1b[31merror", "\x1b[2mtidings.end"} {
		if line := strings.Split(got, "\n")[i]; !strings.Contains(line, want) {
			t.Errorf("line %d is %q, want %q in it", i, line, want)
		}
	}
}

// Colours end on the line on which they begin, so that an interruption between two events leaves the terminal unchanged.
func TestPrettyResetsColoursOnEveryLine(t *testing.T) {
	got := prettily(t, 60, true,
		sse.Event{Type: "clock", ID: "1", Data: "two\nlines"},
		sse.Event{Type: "host", ID: strings.Repeat("long", 10), Data: `{"a":{"b":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18]}}`})
	for line := range strings.Lines(got) {
		if on, off := strings.Count(line, "\x1b[")-strings.Count(line, "\x1b[0m"), strings.Count(line, "\x1b[0m"); on != off {
			t.Errorf("%q turns colours on %d times, and off %d times", line, on, off)
		}
	}
}

func TestPrettyShowsControlCharactersVisibly(t *testing.T) {
	hostile := "\x1b[2J\x1b]0;title\a\u009b31m"
	got := prettily(t, 0, true, sse.Event{Type: "a" + hostile, ID: "b" + hostile, Data: "c" + hostile},
		sse.Event{Data: `{"d` + strings.ReplaceAll(hostile, "\x1b", "") + `":["\u001b[2J"]}`})
	for _, own := range []string{"\x1b[0m", "\x1b[2m", "\x1b[36m"} {
		got = strings.ReplaceAll(got, own, "")
	}
	if i := strings.IndexFunc(got, unprintable); i >= 0 {
		t.Errorf("%q reached the terminal", got[i:])
	}
}

func TestPrettyFollowsTheTerminalWidth(t *testing.T) {
	var b strings.Builder
	width := 0
	p := newPretty(&b, false, func() int { return width })
	e := sse.Event{Type: "m", Data: strings.Repeat("word ", 12)}
	for _, width = range []int{0, 70} {
		if err := p.event(message{Event: e}, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Count(b.String(), "\n"); got != 1+2 {
		t.Errorf("%d lines, want one, and then two:\n%s", got, b.String())
	}
}
