package check

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestReportsOfSeveralRunsBecomeOne: one run keeps every promise, and the other one does not.
func TestReportsOfSeveralRunsBecomeOne(t *testing.T) {
	whole := result(t, three().fault(false).event("s.0", "a", 1).event("s.0", "c", 3).dump(1, "a", "b", "c"))
	broken := result(t, three().fault(false).event("s.0", "a", 1).event("s.0", "c", 3).dump(1, "a", "", "c"))
	broken.Run.Seed = 9
	name := filepath.Join(t.TempDir(), "report")
	if err := Save(name, broken); err != nil {
		t.Fatal(err)
	}
	again, err := Load(name)
	if err != nil {
		t.Fatal(err)
	}
	sum := Merge([]*Result{whole, again})
	if sum.Runs != 2 || sum.Deliveries != whole.Deliveries+broken.Deliveries || sum.Broken["E"] != 1 || len(sum.Violations) != 1 {
		t.Errorf("%+v", sum)
	}
	if len(sum.Faults) != 1 || len(sum.Faults[0].Publish) != 2 {
		t.Errorf("the faults are %+v", sum.Faults)
	}
	var text strings.Builder
	if err := Markdown(&text, sum); err != nil {
		t.Fatal(err)
	}
	for _, says := range []string{"| faults | 2 |", "| violations | E: 1 |", "seed 9: b was acknowledged", "and the next 1 in other runs"} {
		if !strings.Contains(text.String(), says) {
			t.Errorf("the report does not say %q:\n%s", says, &text)
		}
	}
}
