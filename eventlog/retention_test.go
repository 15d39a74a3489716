package eventlog_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidings-sse/tidings/eventlog"
)

func TestDefaultsAreSevenDaysAndOneGiB(t *testing.T) {
	for _, r := range []*eventlog.Retention{nil, {}} {
		d, err := r.WithDefaults()
		if err != nil {
			t.Fatal(err)
		}
		want := eventlog.Retention{
			Rules: []eventlog.Rule{{Age: 7 * 24 * time.Hour}}, Bytes: 1 << 30, Topics: 1_000_000, KeyAge: 24 * time.Hour, Keys: 1_000_000,
		}
		if diff := cmp.Diff(want, d, cmp.AllowUnexported(eventlog.Pattern{})); diff != "" {
			t.Error(diff)
		}
		if d.Rule("any").Age != 7*24*time.Hour {
			t.Errorf("the rule of a topic is %+v", d.Rule("any"))
		}
		if got := *d.Rule("$own"); got != (eventlog.Rule{Latest: 10_000}) {
			t.Errorf("the rule of a reserved topic is %+v, want one without an age", got)
		}
	}
}

func TestNegativeMeansNoLimit(t *testing.T) {
	d, err := (&eventlog.Retention{Bytes: -1, Events: -1, Topics: -1}).WithDefaults()
	if err != nil || d.Bytes != 0 || d.Events != 0 || d.Topics != 0 {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestInvalidRulesAreRefusedByNumber(t *testing.T) {
	p := eventlog.MustPattern("a/**")
	for _, r := range []eventlog.Rule{
		{Count: 1},
		{Pattern: p, Age: -1},
		{Pattern: p, Count: -1},
		{Pattern: p, Latest: -1},
		{Pattern: p, Age: time.Microsecond},
		{Pattern: p, Count: 1, Latest: 1},
	} {
		_, err := (&eventlog.Retention{Rules: []eventlog.Rule{{Pattern: p}, r}}).WithDefaults()
		if !errors.Is(err, eventlog.ErrInvalid) || !strings.Contains(err.Error(), "rule 2") {
			t.Errorf("%+v: %v", r, err)
		}
	}
	for _, r := range []eventlog.Retention{{KeyAge: -1}, {Keys: -1}} {
		if _, err := r.WithDefaults(); !errors.Is(err, eventlog.ErrInvalid) {
			t.Errorf("%+v: %v", r, err)
		}
	}
}

func TestDefaultsDoNotModifyTheCallersRules(t *testing.T) {
	rules := make([]eventlog.Rule, 1, 8)
	rules[0] = eventlog.Rule{Pattern: eventlog.MustPattern("a"), Count: 1}
	if _, err := (&eventlog.Retention{Rules: rules}).WithDefaults(); err != nil || rules[:2][1] != (eventlog.Rule{}) {
		t.Errorf("the caller's slice has got %+v, %v", rules[:2][1], err)
	}
}
