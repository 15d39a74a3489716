package disklog

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestFormatOfKeysAndValuesDoesNotChange pins the format, so that old logs stay readable. If it fails, raise format, or find a way without a
// change.
func TestFormatOfKeysAndValuesDoesNotChange(t *testing.T) {
	h := hash{0xaa, 0xbb, 15: 0xff}
	var b bytes.Buffer
	for _, line := range []struct {
		what  string
		bytes []byte
	}{
		{"format", fmt.Append(nil, format)},
		{"format of mirrors", fmt.Append(nil, formatMirror)},
		{"record", eventKey(nil, 258)},
		{"index", namedKey(nil, kindIndex, "news/sports", 258)},
		{"index, topic with 00", namedKey(nil, kindIndex, "a\x00b", 258)},
		{"elsewhere", namedKey(nil, kindElsewhere, "news", 258)},
		{"statuses", statusKey(nil, 258)},
		{"topic", topicKey(nil, "news")},
		{"dead topic", deadKey(nil, 258, "news")},
		{"key", keyUseKey(nil, h, 7)},
		{"key in order", keyLineKey(nil, 7)},
		{"publisher's id", namedKey(nil, kindID, "urn:1", 258)},
		{"hole", appendSeq([]byte{kindHole}, 258)},
		{"names", []byte(strings.Join([]string{metaGeneration, metaHead, metaTrim, metaLease, metaAcknowledged, metaState, metaRetention}, " "))},
		{"end", endKey(nil, "news")},
		{"end in order", endLineKey(nil, 258, "news")},
		{"end's value", ending{258, 7, true}.value()},
		{"end's value in order", (&endLine{"news", ending{258, 7, true}, 6}).lineValue()},
		{"time", timeKey(nil, 258)},
		{"entry", entry{entryEnd | entryPlain, 300, 1000}.appendTo(nil)},
		{"topic state", topicState{3, 2, 1}.value()},
		{"head", headMeta{1, 2, 3, 4, 5, 6, 7, 8, 9}.value()},
		{"trim", trimMeta{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}.value()},
		{"key use", keyUse{seq: 5, time: 6, content: h}.value()},
		{"hash", hashBytes(sum([]byte("news"), []byte("order-1")))},
	} {
		fmt.Fprintf(&b, "%-22s %x %q\n", line.what, line.bytes, line.bytes)
	}
	const path = "testdata/keys.golden"
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
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
}

func hashBytes(h hash) []byte { return h[:] }

func TestValuesRoundTrip(t *testing.T) {
	e := entry{entryPlain, math.MaxUint64, 1 << 40}
	if got, err := decodeEntry(e.appendTo(nil)); err != nil || got != e {
		t.Errorf("entry: got %v, %v, want %v", got, err, e)
	}
	s := topicState{9, 8, 7}
	if got, err := decodeTopicState(s.value()); err != nil || got != s {
		t.Errorf("topic state: got %v, %v, want %v", got, err, s)
	}
	h := headMeta{1, 2, 3, 4, 5, 6, 7, 8, 9}
	if got, err := decodeHeadMeta(h.value()); err != nil || got != h {
		t.Errorf("head: got %v, %v, want %v", got, err, h)
	}
	m := trimMeta{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	if got, err := decodeTrimMeta(m.value()); err != nil || got != m {
		t.Errorf("trim: got %v, %v, want %v", got, err, m)
	}
	if got, err := decodeTrimMeta([]byte{1, 2}); err != nil || got != (trimMeta{events: 1, bytes: 2}) {
		t.Errorf("an older trim: got %v, %v, want what it has and 0", got, err)
	}
	u := keyUse{n: 4, seq: 5, time: 6, content: hash{1}}
	if got, err := decodeKeyUse(keyUseKey(nil, hash{2}, 4), u.value()); err != nil || got != u {
		t.Errorf("key use: got %v, %v, want %v", got, err, u)
	}
	for _, damaged := range [][]byte{nil, {1}, {1, 0x80}, {1, 1, 0x80}} {
		if _, err := decodeEntry(damaged); err == nil {
			t.Errorf("the damaged entry % x decodes without an error", damaged)
		}
	}
}

// FuzzNamesKeepTheirOrder: keys sort by topic, and no key of one topic comes between those of another.
func FuzzNamesKeepTheirOrder(f *testing.F) {
	f.Add("a", "a/b", uint64(1), uint64(2))
	f.Add("a", "a\x00", uint64(math.MaxUint64), uint64(0))
	f.Add("a\x00", "a\x00\x01", uint64(0), uint64(0))
	f.Add("", "\xff", uint64(0), uint64(0))
	f.Fuzz(func(t *testing.T, a, b string, m, n uint64) {
		x, y := namedKey(nil, kindIndex, a, m), namedKey(nil, kindIndex, b, n)
		if a != b && bytes.Compare(x, y) != strings.Compare(a, b) {
			t.Errorf("%q before %q is %d, their keys %d", a, b, strings.Compare(a, b), bytes.Compare(x, y))
		}
		if name, rest, ok := cutName(x[1:]); !ok || name != a || len(rest) != 8 || seqOf(x) != m {
			t.Errorf("%x is read as %q, %x, %v, want %q", x, name, rest, ok, a)
		}
		if strings.HasPrefix(a, b) != bytes.HasPrefix(x, appendEscaped([]byte{kindIndex}, b)) && !strings.HasPrefix(a+"\x00", b) {
			t.Errorf("%q is a prefix of %q: %v; not so their keys", b, a, strings.HasPrefix(a, b))
		}
		next := appendName(nil, kindIndex, a)
		next[len(next)-1]++
		if a < b && bytes.Compare(next, y) > 0 || a > b && bytes.Compare(next, y) < 0 {
			t.Errorf("the key behind all of %q sorts on the wrong side of %q", a, b)
		}
	})
}

// FuzzCutNameTakesAnything: a damaged key is an error, never a panic.
func FuzzCutNameTakesAnything(f *testing.F) {
	f.Add([]byte("news\x00\x01"))
	f.Add([]byte("a\x00\xffb\x00\x01rest"))
	f.Add([]byte("a\x00"))
	f.Fuzz(func(t *testing.T, key []byte) {
		name, rest, ok := cutName(key)
		if !ok {
			return
		}
		if again := append(appendName([]byte{'?'}, kindIndex, name)[1:], rest...); !bytes.Equal(again[1:], key) {
			t.Errorf("%x is read as %q and %x, which is written as %x", key, name, rest, again[1:])
		}
	})
}
