package eventlog_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/eventlog"
)

func TestPositionsRoundTrip(t *testing.T) {
	for _, p := range []eventlog.Position{{"k3f9a", 10482}, {"00000", 0}, {"zzzzzz", math.MaxUint64}, {"abc12", 1}} {
		got, err := eventlog.ParsePosition(p.String())
		if err != nil || got != p {
			t.Errorf("%v is read as %v, %v", p, got, err)
		}
	}
	if text := (eventlog.Position{Gen: "k3f9a", Seq: 10482}).String(); text != "k3f9a-10482" {
		t.Errorf("the text is %q", text)
	}
}

func TestInvalidPositionsAreRefused(t *testing.T) {
	for _, text := range []string{
		"", "-", "k3f9a", "k3f9a-", "-5", "k3f9-5", "k3f9aaa-5", "K3f9a-5", "k3f9a-05", "k3f9a-00", "k3f9a-+5", "k3f9a--5", "k3f9a- 5", " k3f9a-5",
		"k3f9a-5 ", "k3f9a-5\n", "k3f9a-1_000", "k3f9a-0x5", "k3f9a-5-5", "k3f9a-18446744073709551616", "k3f9ä-5", "k3f9a-٥", "k3f9a-1e3",
	} {
		p, err := eventlog.ParsePosition(text)
		bad, ok := errors.AsType[*eventlog.PositionError](err)
		if !ok || !errors.Is(err, eventlog.ErrPosition) || p != (eventlog.Position{}) {
			t.Errorf("%q is read as %v, %v", text, p, err)
		} else if bad.Text != text || bad.Reason == "" {
			t.Errorf("%q: %+v", text, bad)
		}
	}
}

// TestPositionIsASafelistedHeaderValue: a page of another origin may send only these characters in Last-Event-ID without a preflight.
func TestPositionIsASafelistedHeaderValue(t *testing.T) {
	text := eventlog.Position{Gen: eventlog.NewGeneration(), Seq: math.MaxUint64}.String()
	if strings.Trim(text, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		t.Errorf("%q has other characters than a-z0-9 and a hyphen", text)
	}
}

func TestNewGenerationsAreValidAndDifferent(t *testing.T) {
	seen := make(map[string]bool)
	for range 1000 {
		gen := eventlog.NewGeneration()
		if !eventlog.ValidGeneration(gen) {
			t.Fatalf("%q", gen)
		}
		seen[gen] = true
	}
	if len(seen) < 995 {
		t.Errorf("of 1000 generations %d differ", len(seen))
	}
}

func TestFormattingAPositionAllocatesNothing(t *testing.T) {
	p, b := eventlog.Position{Gen: "k3f9a", Seq: math.MaxUint64}, make([]byte, 0, 32)
	if n := testing.AllocsPerRun(100, func() { b = p.AppendTo(b[:0]) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzParsePosition(f *testing.F) {
	for _, text := range []string{"k3f9a-10482", "k3f9a-0", "zzzzzz-18446744073709551615", "k3f9a-01", "-"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := eventlog.ParsePosition(text)
		if err == nil && (p.String() != text || !eventlog.ValidGeneration(p.Gen)) {
			t.Errorf("%q is read as %v", text, p)
		}
	})
}
