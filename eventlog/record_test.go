package eventlog_test

import (
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidings-sse/tidings/eventlog"
)

var update = flag.Bool("update", false, "write testdata/record.golden anew")

// examples are records and their names in testdata/record.golden.
var examples = []struct {
	name   string
	record eventlog.Record
}{
	{"the smallest", eventlog.Record{Topics: []string{"a"}}},
	{"a usual one", eventlog.Record{Topics: []string{"news/sports"}, Type: "goal", Data: `{"score":"1:0"}`}},
	{"with all fields", eventlog.Record{
		Topics: []string{"a", "b/c"}, Type: "t", Data: "d\n\xff", ContentType: "image/png", Key: "k", ID: "urn:1",
		Retry: 1500 * time.Millisecond, Flags: eventlog.End | eventlog.Private | eventlog.Binary,
	}},
	{"of a newer version", eventlog.Record{Topics: []string{"a"}, Data: "d", Flags: 1 << 40, Unknown: "\x09\x01x\x09\x00\xc8\x01\x02yz"}},
}

func TestRecordFormatDoesNotChange(t *testing.T) {
	var b strings.Builder
	for _, e := range examples {
		fmt.Fprintf(&b, "%-18s %s\n", e.name, hex.EncodeToString(e.record.AppendTo(nil)))
	}
	const path = "testdata/record.golden"
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.String(); got != string(want) {
		t.Errorf("the format has changed; got\n%s\nwant\n%s", got, want)
	}
	for i, line := range strings.Split(strings.TrimSpace(string(want)), "\n") {
		fields := strings.Fields(line)
		raw, err := hex.DecodeString(fields[len(fields)-1])
		if err != nil {
			t.Fatal(err)
		}
		r, err := eventlog.DecodeRecord(string(raw))
		if diff := cmp.Diff(examples[i].record, r); diff != "" || err != nil {
			t.Errorf("%s: %v %s", examples[i].name, err, diff)
		}
	}
}

func TestDamagedRecordsAreRefusedWithAnOffset(t *testing.T) {
	for name, test := range map[string]struct {
		hex    string
		offset int
	}{
		"nothing":                  {"", 0},
		"no topic":                 {"030161", 3},
		"cut in a tag":             {"010161" + "80", 3},
		"cut in a length":          {"010161" + "0380", 3},
		"cut in a value":           {"010161" + "030561", 3},
		"a length beyond all":      {"01ffffffffffffffffff01", 0},
		"tag 0":                    {"000161", 0},
		"fields out of order":      {"030161" + "010161", 3},
		"a field twice":            {"010161" + "030161" + "030162", 6},
		"a long form of a tag":     {"81000161", 0},
		"a number that is not one": {"010161" + "070180", 3},
		"a number and more":        {"010161" + "07020101", 3},
		"the number 0":             {"010161" + "080100", 3},
		"a retry beyond all":       {"010161" + "070affffffffffffffffff01", 3},
		"unknown fields backwards": {"010161" + "0b00" + "0a00", 3},
	} {
		raw, err := hex.DecodeString(test.hex)
		if err != nil {
			t.Fatal(name, err)
		}
		_, err = eventlog.DecodeRecord(string(raw))
		damage, ok := errors.AsType[*eventlog.CorruptError](err)
		if !ok || !errors.Is(err, eventlog.ErrCorrupt) || damage.Offset != test.offset {
			t.Errorf("%s: %v, want damage at byte %d", name, err, test.offset)
		}
	}
}

func TestRecordCodingAllocatesLittle(t *testing.T) {
	r := eventlog.Record{Topics: []string{"news/sports"}, Type: "goal", Data: strings.Repeat("x", 200)}
	b := r.AppendTo(nil)
	if n := testing.AllocsPerRun(100, func() { b = r.AppendTo(b[:0]) }); n != 0 {
		t.Errorf("encoding allocates %v times", n)
	}
	s := string(b)
	if n := testing.AllocsPerRun(100, func() { _, _ = eventlog.DecodeRecord(s) }); n > 1 {
		t.Errorf("decoding allocates %v times", n)
	}
	// A decoder must not trust a length: this one claims 2^60 bytes.
	lie := "\x01\x01a\x03" + "\x80\x80\x80\x80\x80\x80\x80\x80\x10" + "x"
	if n := testing.AllocsPerRun(100, func() { _, _ = eventlog.DecodeRecord(lie) }); n > 8 {
		t.Errorf("a lie costs %v allocations", n)
	}
}

func FuzzRecord(f *testing.F) {
	for _, e := range examples {
		f.Add(string(e.record.AppendTo(nil)))
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := eventlog.DecodeRecord(s)
		if err != nil {
			return
		}
		if again := string(r.AppendTo(nil)); again != s {
			t.Errorf("%x is read as %+v, which is written as %x", s, r, again)
		}
	})
}

func FuzzRecordFields(f *testing.F) {
	f.Add("a", "b", "type", "data", "text/plain", "key", "id", int64(1500), uint64(7))
	f.Fuzz(func(t *testing.T, topic, second, typ, data, contentType, key, id string, retry int64, flags uint64) {
		r := eventlog.Record{
			Topics: []string{topic, second}, Type: typ, Data: data, ContentType: contentType, Key: key, ID: id,
			Retry: time.Duration(retry%math.MaxInt32) * time.Millisecond, Flags: eventlog.Flags(flags),
		}
		if r.Check() != nil {
			return
		}
		got, err := eventlog.DecodeRecord(string(r.AppendTo(nil)))
		if diff := cmp.Diff(r, got); diff != "" || err != nil {
			t.Errorf("%v %s", err, diff)
		}
	})
}

func TestErrorsQuoteValuesShortAndOnOneLine(t *testing.T) {
	long := strings.Repeat("x", 5000) + "\n"
	for _, err := range []error{
		&eventlog.EndedError{Topic: "a\nb", End: eventlog.Position{Gen: "k3f9a", Seq: 7}},
		&eventlog.EndedError{Topic: long},
		&eventlog.KeyError{Topic: long, Key: long},
		&eventlog.InvalidError{What: "topic", Value: long, Reason: "it is long"},
		&eventlog.PositionError{Text: long, Reason: "it is none"},
		&eventlog.RecordError{Index: 3, Err: &eventlog.SizeError{What: "data", Size: 2, Max: 1}},
		&eventlog.GapError{Reason: eventlog.Trimmed, From: eventlog.Position{Gen: "k3f9a", Seq: 1}, To: eventlog.Position{Gen: "k3f9a", Seq: 5}},
		&eventlog.UnavailableError{Reason: "its disk is full", Err: os.ErrPermission},
	} {
		if text := err.Error(); strings.ContainsAny(text, "\n\r\x00") || len(text) > 500 || text == "" {
			t.Errorf("%T: %.600q", err, text)
		}
	}
}

func TestPartialContinuesAfterTheGap(t *testing.T) {
	at := func(gen string, seq uint64) eventlog.Position { return eventlog.Position{Gen: gen, Seq: seq} }
	for name, test := range map[string]struct {
		after eventlog.Position
		gap   eventlog.GapError
		want  eventlog.Position
	}{
		"trimmed":         {at("aaaaa", 3), eventlog.GapError{Reason: eventlog.Trimmed, To: at("aaaaa", 9)}, at("aaaaa", 3)},
		"reset":           {at("bbbbb", 3), eventlog.GapError{Reason: eventlog.Reset, To: at("aaaaa", 9)}, at("aaaaa", 9)},
		"beyond the head": {at("aaaaa", 30), eventlog.GapError{Reason: eventlog.Rollback, To: at("aaaaa", 9)}, at("aaaaa", 9)},
		"from the start":  {eventlog.Position{}, eventlog.GapError{Reason: eventlog.Trimmed, To: at("aaaaa", 9)}, at("aaaaa", 0)},
	} {
		q := test.gap.Partial(eventlog.Query{After: test.after, Limit: 7})
		if q.After != test.want || q.Told != 9 || q.Limit != 7 {
			t.Errorf("%s: %+v", name, q)
		}
	}
}
