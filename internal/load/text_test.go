package load

import (
	"strings"
	"testing"
)

func textOf(t *testing.T, r *Report) string {
	t.Helper()
	var out strings.Builder
	if err := r.WriteText(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestReportSaysThatTheRateWasMissed: by more than a twentieth, and not because a short run ended between two requests.
func TestReportSaysThatTheRateWasMissed(t *testing.T) {
	const said = "asked for"
	for _, test := range []struct {
		rate, reached, seconds float64
		publishers             int
		behind                 bool
	}{
		{200, 111, 10, 1, true},
		{200, 189, 10, 1, true},
		{200, 191, 10, 1, false},
		{200, 205, 10, 1, false},
		{10, 7.5, 0.4, 1, false}, // one event of four
		{200, 150, 0.1, 8, false},
		{0, 5000, 10, 1, false},
	} {
		r := &run{Options: &Options{Rate: test.rate, Publishers: test.publishers, Batch: 1}}
		p := Published{Requests: 1, PerSecond: test.reached, Asked: test.rate}
		p.behind = r.isBehind(&p, test.seconds)
		if text := textOf(t, &Report{Published: p}); strings.Contains(text, said) != test.behind {
			t.Errorf("%v:\n%s", test, text)
		}
	}
	text := textOf(t, &Report{Published: Published{Requests: 1, PerSecond: 111, Asked: 200, behind: true}})
	if want := "111 of 200 events/s asked for"; !strings.Contains(text, want) {
		t.Errorf("want %q:\n%s", want, text)
	}
}

// TestMemoryOfASubscriberIsNeverNegative: a hub that was in use before may need less memory than at the start.
func TestMemoryOfASubscriberIsNeverNegative(t *testing.T) {
	for growth, want := range map[int64]string{3_000_000: "3.00 KB a subscriber", 0: "memory of a subscriber not measurable", -3_260_000: "memory of a subscriber not measurable"} {
		text := textOf(t, &Report{Hub: &Hub{PerSubscriber: perSubscriber(growth, 1000)}})
		if !strings.Contains(text, want) {
			t.Errorf("%d bytes: want %q:\n%s", growth, want, text)
		}
	}
}
