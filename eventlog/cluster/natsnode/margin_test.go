package natsnode_test

import (
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/eventlog/cluster/natsnode"
)

// TestMarginSaysHowManyHubsAreLeftAndWhetherOneMoreMayGo of those that store the shared log; also of the cluster, if that has no margin.
func TestMarginSaysHowManyHubsAreLeftAndWhetherOneMoreMayGo(t *testing.T) {
	members := func(running, silent string) *natsnode.Members {
		return &natsnode.Members{Running: strings.Fields(running), Silent: strings.Fields(silent)}
	}
	for name, test := range map[string]struct {
		counting, storing *natsnode.Members
		says              string
	}{
		"all of three":             {members("a b c", ""), members("a b c", ""), "all 3 hubs that store the shared log run; one may go"},
		"two of three":             {members("a b", "c"), members("a b", "c"), "2 of 3 hubs that store the shared log are left; if one more goes, nothing can be published"},
		"one of three":             {members("a", "b c"), members("a", "b c"), "1 of 3 hubs that store the shared log is left; nothing can be published until 2 run"},
		"all of five replicas":     {members("a b c d e", ""), members("a b c d e", ""), "all 5 hubs that store the shared log run; 2 may go"},
		"both of two":              {members("a b", ""), members("a b", ""), "all 2 hubs that store the shared log run; if one goes, nothing can be published"},
		"one of two":               {members("a", "b"), members("a", "b"), "1 of 2 hubs that store the shared log is left; nothing can be published until 2 run"},
		"one that only counts":     {members("a b c d", "e"), members("a b c", ""), "all 3 hubs that store the shared log run; one may go"},
		"two that only count":      {members("a b c", "d e"), members("a b c", ""), "all 3 hubs that store the shared log run; one may go. 3 of 5 hubs of the cluster are left; if one more goes, no hub can be added, removed or started again"},
		"three of five":            {members("a b", "c d e"), members("a b", "c"), "2 of 3 hubs that store the shared log are left; if one more goes, nothing can be published. 2 of 5 hubs of the cluster are left; no hub can be added, removed or started again until 3 run"},
		"all that store it":        {members("d e f g", "a b c"), members("", "a b c"), "none of 3 hubs that store the shared log are left; nothing can be published until 2 run. 4 of 7 hubs of the cluster are left; if one more goes, no hub can be added, removed or started again"},
		"nobody knows who does so": {members("d e", "a"), nil, "2 of 3 hubs of the cluster are left; if one more goes, no hub can be added, removed or started again"},
	} {
		if got := natsnode.Margin(test.counting, test.storing); got != test.says {
			t.Errorf("%s:\n%s, want\n%s", name, got, test.says)
		}
	}
}
