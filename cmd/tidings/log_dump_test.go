package main

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
)

// mirrored returns the directory of a log that follows another one, and got its records in as many steps as batches.
func mirrored(t *testing.T, records []eventlog.Record, hole uint64, batches int) string {
	t.Helper()
	dir := t.TempDir() + "/data"
	l, err := disklog.Open(dir, &disklog.Options{Mirror: true})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(l.SetGeneration(ctx, "k3f9a", 0))
	must(l.Skip(ctx, hole, eventlog.Trimmed))
	for size := len(records) / batches; len(records) > 0; records = records[size:] {
		size = min(size, len(records))
		var batches []eventlog.Batch
		for _, r := range records[:size] {
			batches = append(batches, eventlog.Batch{First: r.Seq, Time: r.Time, Records: []eventlog.Record{r}})
		}
		_, err := l.Apply(ctx, batches, nil)
		must(err)
	}
	must(l.Close())
	return dir
}

func dumpOf(t *testing.T, dir string) string {
	t.Helper()
	var out bytes.Buffer
	c := logDumpCmd{logDir: logDir{dir}, Canonical: true}
	if err := c.Run(context.Background(), stdio{out: &out}); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestMirrorsThatAreEqualDumpTheSame(t *testing.T) {
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	records := []eventlog.Record{
		{Seq: 5, Time: noon, Topics: []string{"news"}, Data: "<a>"},
		{Seq: 6, Time: noon, Topics: []string{"news", "chat"}, Data: "\xff", Key: "k", Flags: eventlog.Binary | 1<<40, Unknown: "\x09\x01x"},
		{Seq: 9, Time: noon, Topics: []string{"chat"}, Flags: eventlog.End},
	}
	first := dumpOf(t, mirrored(t, records, 4, 1))
	if second := dumpOf(t, mirrored(t, records, 4, 3)); first != second {
		t.Errorf("two equal logs print\n%s\nand\n%s", first, second)
	}
	want := `{"hole":{"from":"k3f9a-1","to":"k3f9a-4","reason":"trimmed"}}
{"id":"k3f9a-5","topic":"news","topics":["news"],"type":"message","time":"2026-11-22T12:00:00.000Z","data":"<a>","encoding":"utf-8"}
{"id":"k3f9a-6","topic":"news","topics":["news","chat"],"type":"message","time":"2026-11-22T12:00:00.000Z","data":"/w==","encoding":"base64","key":"k","flags":1099511627780,"unknown":"CQF4"}
{"id":"k3f9a-9","topic":"chat","topics":["chat"],"type":"message","time":"2026-11-22T12:00:00.000Z","data":"","encoding":"utf-8","end":true,"flags":1}
`
	if first != want {
		t.Errorf("it prints\n%s\nwant\n%s", first, want)
	}
	for name, change := range map[string]func(*eventlog.Record){
		"flags": func(r *eventlog.Record) { r.Flags = eventlog.Binary }, "unknown fields": func(r *eventlog.Record) { r.Unknown = "" },
		"time": func(r *eventlog.Record) { r.Time = r.Time.Add(time.Millisecond) }, "number": func(r *eventlog.Record) { r.Seq = 7 },
	} {
		other := append([]eventlog.Record(nil), records...)
		change(&other[1])
		if first == dumpOf(t, mirrored(t, other, 4, 1)) {
			t.Errorf("a log with other %s prints the same", name)
		}
	}
}
