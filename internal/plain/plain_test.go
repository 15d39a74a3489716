package plain_test

import (
	"testing"

	"github.com/tidings-sse/tidings/internal/plain"
)

func TestPeopleReadNoNamesOfPackages(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"eventlog: the log is closed":                                   "the log is closed",
		"eventlog: no records: try again: redislog: dial tcp: refused":  "no records: try again: dial tcp: refused",
		"this hub waits: cluster: natslog: no answer":                   "this hub waits: no answer",
		"natsnode: a; natslog: b\nhub: c (peers: d)":                    "a; b\nc (d)",
		`eventlog: invalid topic "a: hub: b", and "\": sse: c": hub: d`: `invalid topic "a: hub: b", and "\": sse: c": d`,
		"is there a hub: at this address; the cluster: three hubs":      "is there a hub: at this address; the cluster: three hubs",
		`a quote that "is not closed: hub: e`:                           `a quote that "is not closed: e`,
		"":                                                              "",
		"open /tmp/hub: no such file; lookup nats: server misbehaving":  "open /tmp/hub: no such file; lookup nats: server misbehaving",
	} {
		if got := plain.Text(text); got != want {
			t.Errorf("%q\nbecomes %q\nwant    %q", text, got, want)
		}
	}
}
