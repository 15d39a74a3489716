package guard_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/eventlog/disklog/internal/guard"
)

// defences lists each fault of Pebble that this package guards against, its discussion upstream, and the tests. Tests of a bare
// Pebble fail when upstream has mended the fault: then the defence can go.
var defences = []struct {
	against  string
	upstream string // of cockroachdb/pebble
	tests    []string
}{
	{
		"a failed write ends the process", "issues 270, 3427, 5601, 6139",
		[]string{
			"TestBarePebbleDiesWhereTheLogSurvives", "TestDiskFaultsLoseNothing", "TestFaultsInOpenAreErrorsWithARemedy",
			"TestFailedWriteStopsAllWritesAndNoReads",
		},
	},
	{
		"damage in the manifest is taken for its end", "issue 4560",
		[]string{"TestBarePebbleIgnoresDamageInItsManifest", "TestDamageToAnyFileIsNeverSilent"},
	},
	{
		"damage in the write-ahead log is taken for its end", "issue 453, pull requests 4336 and 6031",
		[]string{
			"TestDamageToTheLogOfAKilledProcessIsNeverSilent", "TestDamageInTheWriteAheadLogIsNotItsEnd", "TestTruncatedOlderWriteAheadLogIsDetected",
			"TestTwoBatchesAfterDamageProveThatItWasAcknowledged", "TestPublishedDataIsNotTakenForTheWriteAheadLog",
		},
	},
	{
		"a marker is durable before the manifest that it names", "issue 5825, pull request 5915",
		[]string{"TestPowerLossLeavesNoMarkerWithoutItsManifest"},
	},
	{"a damaged block is searched for flipped bits at each read", "issue 2571", []string{"TestDamagedBlocksAreReadOnce"}},
	{"a failed compaction is retried at once", "issue 908", []string{"TestFailedCompactionsAreRetriedWithGrowingPauses"}},
	{
		"formats and directories of versions before", "the release notes",
		[]string{"TestLogOfThePreviousVersionOpens", "TestPowerLossLosesNothingThatWasAcknowledgedOrRead"},
	},
}

// TestPebbleIsTheVersionThatWasChecked fails when go.mod has another version of Pebble, and names what to run and to read.
func TestPebbleIsTheVersionThatWasChecked(t *testing.T) {
	root := filepath.Join("..", "..", "..", "..")
	for _, file := range []string{filepath.Join(root, "go.mod"), filepath.Join(root, "bench", "go.mod")} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(`cockroachdb/pebble/v2 (\S+)`).FindSubmatch(text)
		if found == nil {
			t.Fatalf("%s names no version of Pebble", file)
		}
		if version := string(found[1]); version != guard.Version {
			t.Errorf("%s has Pebble %s, and package guard was checked against %s.\n%s", file, version, guard.Version, whatToCheck())
		}
	}
}

// whatToCheck is the list of checks for a new version.
func whatToCheck() string {
	var b strings.Builder
	b.WriteString(`Read in the new version: record.go and log_writer.go of package record (the chunks that tail.go reads), the fields of version
edits (manifestState), block.go of sstable/block (the text that badBlockText matches), and CompactionScheduler.
Look upstream, and run "make soak" and these tests of eventlog/disklog and this package, without and with -race:
`)
	for _, d := range defences {
		fmt.Fprintf(&b, "  %s (%s): %s\n", d.against, d.upstream, strings.Join(d.tests, ", "))
	}
	b.WriteString("Remove what is mended upstream, then set guard.Version and the version in the package comment.")
	return b.String()
}

// TestTestsToRunForANewVersionExist keeps the list of tests true when they are renamed.
func TestTestsToRunForANewVersionExist(t *testing.T) {
	var code strings.Builder
	for _, pattern := range []string{"*_test.go", filepath.Join("..", "..", "*_test.go")} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			code.Write(text)
		}
	}
	for _, d := range defences {
		for _, test := range d.tests {
			if !strings.Contains(code.String(), "\nfunc "+test+"(") {
				t.Errorf("there is no test %s", test)
			}
		}
	}
}
