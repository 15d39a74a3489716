package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
)

// fillLog appends the records in a file, one JSON object a line, to the log in a directory. Their times are one minute apart,
// starting at noon. The result is the same as that of a hub.
func fillLog(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: fill-log DIR FILE [keep N]")
	}
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	o := &disklog.Options{Now: func() time.Time { return now }}
	if len(args) == 4 {
		n, err := strconv.Atoi(args[3])
		ts.Check(err)
		o.Retention = &eventlog.Retention{Rules: []eventlog.Rule{{Pattern: eventlog.MustPattern("**"), Count: n}}}
	} else {
		o.Retention = &eventlog.Retention{Rules: []eventlog.Rule{{Pattern: eventlog.MustPattern("**")}}}
	}
	l, err := disklog.Open(ts.MkAbs(args[0]), o)
	ts.Check(err)
	f, err := os.Open(ts.MkAbs(args[1]))
	ts.Check(err)
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); now = now.Add(time.Minute) {
		var d dumped
		ts.Check(json.Unmarshal(lines.Bytes(), &d))
		r := eventlog.Record{Topics: d.Topics, Type: d.Type, Data: d.Data, ContentType: d.ContentType, Key: d.Key, ID: d.PublisherID}
		r.Retry = time.Duration(d.Retry) * time.Millisecond
		if d.End {
			r.Flags |= eventlog.End
		}
		if d.Encoding == "base64" {
			raw, err := base64.StdEncoding.DecodeString(d.Data)
			ts.Check(err)
			r.Data, r.Flags = string(raw), r.Flags|eventlog.Binary
		}
		_, err := l.Append(context.Background(), []eventlog.Record{r})
		ts.Check(err)
	}
	ts.Check(l.Trim(context.Background()))
	ts.Check(l.Close())
	ts.Setenv("GEN", l.Head().Gen)
}

// holdLog keeps the log in a directory open until the script is over.
func holdLog(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: hold-log DIR")
	}
	l, err := disklog.Open(ts.MkAbs(args[0]), nil)
	ts.Check(err)
	ts.Defer(func() { ts.Check(l.Close()) })
}

// unindex removes a record from the index, which no version of Tidings does.
func unindex(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: unindex DIR TOPIC NUMBER")
	}
	n, err := strconv.Atoi(args[2])
	ts.Check(err)
	db, err := pebble.Open(ts.MkAbs(args[0]), &pebble.Options{Logger: quietPebble{}, FormatMajorVersion: pebble.FormatNewest})
	ts.Check(err)
	key := append([]byte("i"+args[1]), 0, 1, 0, 0, 0, 0, 0, 0, 0, byte(n))
	ts.Check(db.Delete(key, pebble.Sync))
	ts.Check(db.Close())
}

type quietPebble struct{}

func (quietPebble) Infof(string, ...any)  {}
func (quietPebble) Errorf(string, ...any) {}
func (quietPebble) Fatalf(string, ...any) { panic("pebble gave up") }

// sameFiles fails if the files of a directory are not those of another, byte for byte.
func sameFiles(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: same-files DIR DIR")
	}
	for i, dir := range args {
		names, err := filepath.Glob(filepath.Join(ts.MkAbs(dir), "*"))
		ts.Check(err)
		if len(names) == 0 {
			ts.Fatalf("%s is empty", dir)
		}
		for _, name := range names {
			if ts.ReadFile(name) != ts.ReadFile(filepath.Join(ts.MkAbs(args[1-i]), filepath.Base(name))) {
				ts.Fatalf("%s has changed", filepath.Base(name))
			}
		}
	}
}
