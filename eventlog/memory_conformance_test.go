package eventlog_test

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/logtest"
)

var seedFlag = flag.Uint64("memory.seed", 0, "repeat a random test of the log in memory with this seed")

func memoryHarness() logtest.Harness {
	return logtest.Harness{Mirror: true, Lookup: true, Open: func(t *testing.T, o logtest.Options) eventlog.Log {
		log, err := eventlog.NewMemory(&eventlog.MemoryOptions{Retention: o.Retention, Mirror: o.Mirror, Now: o.Now})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := log.CheckInvariants(); err != nil {
				t.Error(err)
			}
		})
		return log
	}}
}

func TestMemoryKeepsThePromisesOfALog(t *testing.T) { logtest.Run(t, memoryHarness()) }

func TestMemoryAgreesWithTheModel(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			logtest.RunRandom(t, memoryHarness(), number("TIDINGS_SEED", seed), int(number("TIDINGS_OPS", 300)))
		})
	}
}

func TestMirrorsInMemoryDecideAlike(t *testing.T) {
	for seed := range number("TIDINGS_MIRRORS", 100) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			logtest.RunMirrors(t, memoryHarness(), number("TIDINGS_SEED", seed), 300)
		})
	}
}

// number returns the value of an environment variable, which makes a test longer or repeats its seed.
func number(name string, standard uint64) uint64 {
	if n, err := strconv.ParseUint(os.Getenv(name), 10, 64); err == nil {
		return n
	}
	return standard
}
