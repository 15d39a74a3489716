// Make writes the fixtures of this directory, see README.md. It is not built with the module.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
)

// Fixture is the expected content of a fixture, in want.json.
type Fixture struct {
	Bounds  eventlog.Bounds
	At      time.Time         // when it was written
	Records []eventlog.Record // the existing ones
	Trimmed eventlog.Position // the newest record of count/a that was trimmed
	Ended   string            // a topic that has ended
	Key     eventlog.Record   // a record whose key is known, as it was appended
	First   uint64            // and its number
	ID      string            // a publisher's ID,
	IDAt    uint64            // and the number of its record
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func retention() *eventlog.Retention {
	return &eventlog.Retention{Rules: []eventlog.Rule{
		{Pattern: must(eventlog.ParsePattern("count/*")), Count: 3},
		{Pattern: must(eventlog.ParsePattern("latest/*")), Latest: 1},
	}}
}

// main makes one fixture: make NAME closed|killed.
func main() {
	dir := filepath.Join(os.Args[1], "log")
	ctx := context.Background()
	log := must(disklog.Open(dir, &disklog.Options{Retention: retention()}))
	f := Fixture{At: time.Now().UTC(), Ended: "story", ID: "urn:1"}
	put := func(r eventlog.Record) eventlog.Receipt {
		return must(log.Append(ctx, []eventlog.Record{r}))[0]
	}
	for i := range 40 {
		put(eventlog.Record{Topics: []string{"count/a", fmt.Sprint("other/", i%3)}, Type: "tick", Data: strings.Repeat("x", i)})
		put(eventlog.Record{Topics: []string{"latest/a"}, Data: fmt.Sprint("state ", i)})
	}
	if err := log.Trim(ctx); err != nil {
		panic(err)
	}
	if err := log.Close(); err != nil {
		panic(err)
	}
	log = must(disklog.Open(dir, &disklog.Options{Retention: retention()}))
	f.Key = eventlog.Record{Topics: []string{"news"}, Data: "with a key", Key: "key 1"}
	f.First = put(f.Key).Seq
	f.IDAt = put(eventlog.Record{Topics: []string{"news"}, Data: "with an ID", ID: f.ID, ContentType: "text/plain"}).Seq
	put(eventlog.Record{Topics: []string{"story"}, Data: "the end", Flags: eventlog.End})
	for i := range 5 {
		put(eventlog.Record{Topics: []string{"news"}, Data: fmt.Sprint("news ", i), Retry: time.Second})
	}
	put(eventlog.Record{Topics: []string{"count/a"}, Data: "newest"})
	if err := log.Trim(ctx); err != nil {
		panic(err)
	}
	f.Bounds = log.Bounds()
	_, err := log.Read(ctx, eventlog.Query{Selector: eventlog.Topics("count/a")})
	gap, ok := err.(*eventlog.GapError)
	if !ok {
		panic(err)
	}
	f.Trimmed = gap.To
	for q := (eventlog.Query{Selector: eventlog.Everything(), Told: ^uint64(0)}); q.After != log.Head(); {
		answer := must(log.Read(ctx, q))
		f.Records = append(f.Records, answer.Records...)
		q.After = answer.Complete
	}
	text := must(json.MarshalIndent(f, "", " "))
	if err := os.WriteFile(filepath.Join(os.Args[1], "want.json"), append(text, '\n'), 0o644); err != nil {
		panic(err)
	}
	if os.Args[2] == "killed" {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	if err := log.Close(); err != nil {
		panic(err)
	}
}
