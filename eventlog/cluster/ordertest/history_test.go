package ordertest_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidings-sse/tidings/eventlog/cluster/ordertest"
)

func TestHistorySurvivesAFile(t *testing.T) {
	r := ordertest.NewRecorder()
	r.Add(ordertest.Line{
		Kind: ordertest.Publish, Client: "p1", Hub: "a", Start: 1, End: 2, Outcome: ordertest.Stored,
		Sent: []ordertest.Sent{{Topics: []string{"t", "u"}, Data: "1", Key: "k", End: true}}, IDs: []string{"k3f9a-1"}, Again: []bool{true},
	})
	r.Add(ordertest.Line{Kind: ordertest.Gap, Client: "s1", Reason: "reset", ID: "k3f9a-9"})
	r.Add(ordertest.Line{Kind: ordertest.Record, Hub: "a", ID: "k3f9a-1", Time: time.UnixMilli(1_700_000_000_000).UTC(), Event: &ordertest.Sent{Data: "1"}})
	var file bytes.Buffer
	if _, err := r.History().WriteTo(&file); err != nil {
		t.Fatal(err)
	}
	got, err := ordertest.ReadHistory(&file)
	if diff := cmp.Diff(r.History(), got); diff != "" || err != nil {
		t.Errorf("%v; %s", err, diff)
	}
	if _, err := ordertest.ReadHistory(strings.NewReader("{\"kind\":\"open\"}\n{broken")); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("a broken line: %v", err)
	}
}
