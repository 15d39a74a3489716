package cluster

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidings-sse/tidings/eventlog"
)

// encode returns the frame of batches.
func encode(sent, clock int64, known hint, batches [][]eventlog.Record) []byte {
	b := beginFrame(nil, kindRecords, sent, clock, known)
	for _, records := range batches {
		b, _ = appendBatch(b, records, nil)
	}
	sealFrame(b)
	return b
}

// records returns the records of a frame, by batch. It panics if the encoding of one is not the one that the frame names.
func (f *frame) records() (all [][]eventlog.Record) {
	for _, b := range f.batches {
		for i := range b.records {
			if encoded := string(b.records[i].AppendTo(nil)); encoded != b.encoded[i] {
				panic(fmt.Sprintf("%q is encoded as %q", b.encoded[i], encoded))
			}
		}
		all = append(all, b.records)
	}
	return all
}

func TestFrameKeepsEveryRecord(t *testing.T) {
	want := [][]eventlog.Record{
		{{Topics: []string{"a", "b"}, Data: "x", Key: "k", Flags: eventlog.End}, {Topics: []string{"c"}, Retry: time.Second}},
		{{Topics: []string{"\x00"}, Data: "\xff", Type: "t", ID: "i", ContentType: "c"}},
	}
	data := encode(7, 6, hint{9, digest{1}}, want)
	got, err := decodeFrame(data)
	if diff := cmp.Diff(want, got.records()); diff != "" || err != nil || got.sent != 7 || got.clock != 6 || got.known != (hint{9, digest{1}}) {
		t.Errorf("%v; %s", err, diff)
	}
	for i := range data { // every flipped bit is noticed
		data[i] ^= 4
		if _, err := decodeFrame(data); !errors.Is(err, errDamaged) {
			t.Errorf("byte %d is another one: %v", i, err)
		}
		data[i] ^= 4
	}
}

func TestFrameOfANewerVersionIsRefused(t *testing.T) {
	data := encode(7, 6, hint{}, nil)
	data[0] = version + 1
	sealFrame(data)
	if _, err := decodeFrame(data); !errors.Is(err, errNewer) {
		t.Errorf("version %d: %v", version+1, err)
	}
}

func TestPlaceSurvivesItsEncodingAndFitsIntoAState(t *testing.T) {
	p := place{target: 1 << 60, diverged: true, gap: true}
	for seq := uint64(1<<40 - 100_000); seq < 1<<40; seq++ {
		m := Message{Seq: seq, ID: ID{byte(seq)}, Time: time.UnixMilli(int64(seq))}
		p.advance(&m, seq<<14)
		p.gen, p.digest = "k3f9ab", digest{byte(seq)}
		p.remember(p.mark, seq%50_000 == 0)
	}
	b := p.appendTo(nil)
	if len(b) > eventlog.MaxState {
		t.Errorf("the place takes %d bytes, a mirror stores %d", len(b), eventlog.MaxState)
	}
	got, err := decodePlace(b)
	if diff := cmp.Diff(fmt.Sprintf("%+v", p), fmt.Sprintf("%+v", got)); err != nil || diff != "" {
		t.Errorf("%v: %s", err, diff)
	}
	for i := range b {
		if _, err := decodePlace(b[:i]); i > 0 && err == nil && i < 40 {
			t.Errorf("the first %d bytes are taken for a place", i)
		}
	}
	if marks := p.older(); marks[0].seq < p.seq-4 || marks[len(marks)-1].seq > p.seq-60_000 {
		t.Errorf("marks reach from %d to %d, and the place is at %d", marks[len(marks)-1].seq, marks[0].seq, p.seq)
	}
}

// TestFrameOfVersionOneHasNoClock: a hub can be upgraded while the shared log has messages of the version before.
func TestFrameOfVersionOneHasNoClock(t *testing.T) {
	data := []byte{1, kindControl, 0, 0, 0, 0, 7, 9, 1, 0, 0, 0, 0, 0, 0, 0, '{', '}'}
	sealFrame(data)
	got, err := decodeFrame(data)
	if err != nil || got.sent != 7 || got.clock != 0 || got.known != (hint{9, digest{1}}) || string(got.control) != "{}" {
		t.Errorf("%+v, %v", got, err)
	}
}

// FuzzFrame checks that a decoded frame encodes to the same bytes, and that no input is too much for the decoder.
func FuzzFrame(f *testing.F) {
	f.Add(encode(7, 6, hint{9, digest{1}}, [][]eventlog.Record{{{Topics: []string{"a"}, Data: "x"}}, {{Topics: []string{"b"}, Key: "k"}}}))
	c := control{Begin: &Begin{Gen: "k3f9a"}, Audit: &audit{Message: 3}}
	f.Add(c.frame(7, 6, hint{}))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > frameHead {
			sealFrame(data)
		}
		fr, err := decodeFrame(data)
		if err != nil {
			return
		}
		if fr.control != nil {
			_, _ = decodeControl(fr.control)
			return
		}
		again, err := decodeFrame(encode(fr.sent, fr.clock, fr.known, fr.records()))
		if diff := cmp.Diff(fr.records(), again.records()); err != nil || diff != "" {
			t.Errorf("%v: %s", err, diff)
		}
	})
}

// FuzzPlace checks that no state is too much for the decoder.
func FuzzPlace(f *testing.F) {
	p := place{target: 3}
	p.remember(mark{seq: 64, gen: "k3f9a"}, true)
	f.Add(p.appendTo(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := decodePlace(data)
		if err != nil {
			return
		}
		again, err := decodePlace(p.appendTo(nil))
		if again != p || err != nil {
			t.Errorf("%+v is not %+v, %v", again, p, err)
		}
	})
}
