package logtest_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"testing"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/logtest"
)

// faulty is a log that reads or appends with a fault.
type faulty struct {
	*eventlog.Memory
	read   func(m *eventlog.Memory, q eventlog.Query, a eventlog.Answer, err error) (eventlog.Answer, error)
	append func(m *eventlog.Memory, records []eventlog.Record) ([]eventlog.Receipt, error)
}

func (f *faulty) Read(ctx context.Context, q eventlog.Query) (eventlog.Answer, error) {
	a, err := f.Memory.Read(ctx, q)
	if f.read != nil {
		a.Records = slices.Clone(a.Records)
		return f.read(f.Memory, q, a, err)
	}
	return a, err
}

func (f *faulty) Append(ctx context.Context, records []eventlog.Record) ([]eventlog.Receipt, error) {
	if f.append != nil && ctx.Err() == nil {
		return f.append(f.Memory, slices.Clone(records))
	}
	return f.Memory.Append(ctx, records)
}

// faults are typical faults of hubs and logs. Each breaks a promise.
var faults = map[string]faulty{
	"a record is left out": {read: func(_ *eventlog.Memory, _ eventlog.Query, a eventlog.Answer, err error) (eventlog.Answer, error) {
		if n := len(a.Records); n >= 3 {
			a.Records = slices.Delete(a.Records, 1, 2)
		}
		return a, err
	}},
	"two records change places": {read: func(_ *eventlog.Memory, _ eventlog.Query, a eventlog.Answer, err error) (eventlog.Answer, error) {
		if len(a.Records) >= 2 {
			a.Records[0], a.Records[1] = a.Records[1], a.Records[0]
		}
		return a, err
	}},
	"a replay is cut": {read: func(m *eventlog.Memory, _ eventlog.Query, a eventlog.Answer, err error) (eventlog.Answer, error) {
		if err == nil {
			a.Complete = m.Head() // although the limit left records out
		}
		return a, err
	}},
	"gaps are swallowed": {read: func(m *eventlog.Memory, q eventlog.Query, a eventlog.Answer, err error) (eventlog.Answer, error) {
		if gap, ok := errors.AsType[*eventlog.GapError](err); ok {
			return m.Read(context.Background(), gap.Partial(q))
		}
		return a, err
	}},
	"an unknown position jumps to the oldest": {read: func(m *eventlog.Memory, q eventlog.Query, a eventlog.Answer, err error) (eventlog.Answer, error) {
		if gap, ok := errors.AsType[*eventlog.GapError](err); ok && gap.Reason == eventlog.Reset {
			q.After = eventlog.Position{}
			return m.Read(context.Background(), q)
		}
		return a, err
	}},
	"a gap without missing records": {read: func(m *eventlog.Memory, q eventlog.Query, a eventlog.Answer, err error) (eventlog.Answer, error) {
		if t := m.Bounds().Trimmed; err == nil && t > max(q.After.Seq, q.Told) {
			return eventlog.Answer{}, &eventlog.GapError{Reason: eventlog.Trimmed, From: q.After, To: eventlog.Position{Gen: m.Head().Gen, Seq: t}}
		}
		return a, err
	}},
	"half a batch is stored": {append: func(m *eventlog.Memory, records []eventlog.Record) ([]eventlog.Receipt, error) {
		receipts, err := m.Append(context.Background(), records)
		if err != nil && len(records) > 1 {
			_, _ = m.Append(context.Background(), records[:1]) // the result does not matter
		}
		return receipts, err
	}},
	"ends are forgotten": {append: func(m *eventlog.Memory, records []eventlog.Record) ([]eventlog.Receipt, error) {
		for i := range records {
			records[i].Flags &^= eventlog.End
		}
		return m.Append(context.Background(), records)
	}},
	"keys are forgotten": {append: func(m *eventlog.Memory, records []eventlog.Record) ([]eventlog.Receipt, error) {
		for i := range records {
			records[i].Key = ""
		}
		return m.Append(context.Background(), records)
	}},
	"only the canonical topic is indexed": {append: func(m *eventlog.Memory, records []eventlog.Record) ([]eventlog.Receipt, error) {
		for i := range records {
			if len(records[i].Topics) > 1 {
				records[i].Topics = records[i].Topics[:1]
			}
		}
		return m.Append(context.Background(), records)
	}},
}

const faultVariable = "TIDINGS_FAULT"

func harness() logtest.Harness {
	return logtest.Harness{Open: func(t *testing.T, o logtest.Options) eventlog.Log {
		m, err := eventlog.NewMemory(&eventlog.MemoryOptions{Retention: o.Retention, Now: o.Now})
		if err != nil {
			t.Fatal(err)
		}
		f := faults[os.Getenv(faultVariable)]
		f.Memory = m
		return &f
	}}
}

// TestSuiteAgainstAFault runs in a process of its own, once per fault; then it must fail. Without a fault it passes.
func TestSuiteAgainstAFault(t *testing.T) {
	t.Run("suite", func(t *testing.T) { logtest.Run(t, harness()) })
	t.Run("random", func(t *testing.T) {
		for seed := range uint64(10) {
			logtest.RunRandom(t, harness(), seed, 300)
		}
	})
}

// TestSuiteFindsFaults: a suite that never fails proves nothing.
func TestSuiteFindsFaults(t *testing.T) {
	for fault := range faults {
		for _, part := range []string{"suite", "random"} {
			t.Run(part+"/"+fault, func(t *testing.T) {
				t.Parallel()
				cmd := exec.Command(os.Args[0], "-test.run=^TestSuiteAgainstAFault$/^"+part+"$", "-test.timeout=1m")
				cmd.Env = append(os.Environ(), faultVariable+"="+fault, "GORACE=atexit_sleep_ms=0")
				out, err := cmd.CombinedOutput()
				if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 1 {
					t.Errorf("the suite does not notice the fault: %v\n%s", err, out)
				}
			})
		}
	}
}
