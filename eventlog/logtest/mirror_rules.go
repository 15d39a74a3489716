package logtest

import (
	"errors"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

var mirrorRules = []test{
	{"NewRulesForgetWhatHasExpired", func(b *bench) {
		short := everything()
		short.KeyAge = time.Minute
		short.Rules = []eventlog.Rule{rule("**", eventlog.Rule{Age: time.Minute})}
		m, ok := b.mirror(short)
		if !ok {
			return
		}
		b.append(ending("a"))
		b.append(keyed("k", "b", "x"))
		b.clock.move(time.Hour)
		b.append(ending("c"))
		if err := m.SetRetention(b.Context(), everything()); err != nil {
			b.Fatal(err)
		}
		b.put("a")
		if r := b.append(keyed("k", "b", "x"))[0]; r.Duplicate {
			b.Error("an expired key came back with the new rules")
		}
		b.clock.move(24 * time.Hour)
		if _, err := b.tryAppend([]eventlog.Record{event("c")}); !errors.Is(err, eventlog.ErrEnded) {
			b.Errorf("an end that had not expired: %v", err)
		}
		invalid := eventlog.Retention{KeyAge: -1}
		if err := m.SetRetention(b.Context(), &invalid); !errors.Is(err, eventlog.ErrInvalid) {
			b.Errorf("invalid rules: %v", err)
		}
		if b.Reopen == nil {
			return
		}
		b.log = b.Reopen(b.T, b.log) // with the short rules
		b.mirrorLog = b.log.(eventlog.Mirror)
		if _, err := b.tryAppend([]eventlog.Record{event("c")}); !errors.Is(err, eventlog.ErrEnded) {
			b.Errorf("after reopening: %v", err)
		}
	}},
	{"NewRulesRemoveWhatIsTooOldBeforeTheyCount", func(b *bench) {
		m, ok := b.mirror(everything())
		if !ok {
			return
		}
		kept := b.put("a")
		b.put("short/1")
		b.clock.move(time.Minute)
		fewer := everything()
		fewer.Events = 1
		fewer.Rules = []eventlog.Rule{rule("short/**", eventlog.Rule{Age: time.Second}), rule("**", eventlog.Rule{})}
		if err := m.SetRetention(b.Context(), fewer); err != nil {
			b.Fatal(err)
		}
		b.settle()
		b.noGap(b.after(0, one("a")), kept)
	}},
}
