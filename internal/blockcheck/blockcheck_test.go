package blockcheck_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/internal/blockcheck"
)

// TestCheckerFindsBlocksThatBreakClients: a checker that finds nothing would let every test pass.
func TestCheckerFindsBlocksThatBreakClients(t *testing.T) {
	for name, test := range map[string]struct{ stream, fault string }{
		"good":                     {"retry: 10\n:\n: x\nevent: a\nretry: 5\ndata: 1\ndata: 2\nid: 7\n\n:\ndata:\n\n", ""},
		"control event":            {"event: tidings.checkpoint\ndata: {}\nid: 7\n\n", ""},
		"retry alone":              {"retry: 10\n\n", "no data"},
		"comment alone":            {"data: 1\n\n:\n\n", "no data"},
		"blank line alone":         {"data: 1\n\n\n", "no data"},
		"id alone":                 {"id: 1\n\n", "no data"},
		"type without data":        {"event: x\n\n", "no data"},
		"id before data":           {"id: 1\ndata: x\n\n", "follows the id"},
		"comment in a block":       {"data: 1\n:\ndata: 2\n\n", "inside the block"},
		"comment after the id":     {"data: 1\nid: 2\n:\n\n", "inside the block"},
		"unknown field":            {"datum: 1\ndata: x\n\n", `field "datum"`},
		"control event, no object": {"event: tidings.checkpoint\ndata:\nid: 7\n\n", "no JSON object"},
		"cut":                      {"data: 1\n", "ends inside"},
	} {
		err := blockcheck.Check([]byte(test.stream))
		if (err == nil) != (test.fault == "") || err != nil && !strings.Contains(err.Error(), test.fault) {
			t.Errorf("%s: %q gives %v, want %q", name, test.stream, err, test.fault)
		}
		var c blockcheck.Checker
		for i := range len(test.stream) {
			_, _ = c.Write([]byte{test.stream[i]}) // Err returns it, too
		}
		if test.fault != "ends inside" && (c.Err() == nil) != (err == nil) {
			t.Errorf("%s: byte by byte it gives %v, at once %v", name, c.Err(), err)
		}
	}
}

// TestHastyClientBehavesLikeRealClients: the model must show the faults of the clients that it represents.
func TestHastyClientBehavesLikeRealClients(t *testing.T) {
	var got []blockcheck.Message
	h := blockcheck.Hasty{}
	err := h.Read(strings.NewReader("retry: 9\n\nevent: a\nid: 1\ndata: x\ndata: y\n\n:\n\nid: 2\nda"), func(m blockcheck.Message) { got = append(got, m) })
	want := []blockcheck.Message{{}, {Type: "a", Data: "x\ny", ID: "1"}, {ID: "1"}}
	if err != nil || !slices.Equal(got, want) || h.LastEventID != "2" || h.Retry != "9" {
		t.Errorf("%+v, %+v, %v; want %+v", got, h, err, want)
	}
}
