package logtest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

var listing = []test{
	{"TopicsComeInPagesInBothOrders", func(b *bench) {
		b.open(everything())
		names := []string{"a", "a\x00", "a\x00b", "a\xff", "a/b", "a/b/c", "b", "b/\xff", "b/\xff\xff", "c"}
		for _, name := range names {
			b.put(name)
			b.put(name, "$own")
		}
		slices.Sort(names)
		for _, m := range []eventlog.Matcher{eventlog.MustPattern("**"), eventlog.MustPattern("a/**"), eventlog.MustPattern("b/*"), eventlog.MustPattern("c"), eventlog.MustPattern("d/**")} {
			want := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !m.Match(name) })
			for _, reverse := range []bool{false, true} {
				for _, size := range []int{1, 2, 3, 100} {
					var got []string
					q := eventlog.TopicQuery{Matcher: m, Limit: size, Reverse: reverse}
					for page := b.topics(q); len(page) > 0; page = b.topics(q) {
						for _, t := range page {
							got = append(got, t.Name)
						}
						q.After = got[len(got)-1]
					}
					if diff := slices.Compare(got, want); diff != 0 {
						b.Errorf("%v in pages of %d: %q, want %q", m, size, got, want)
					}
				}
				slices.Reverse(want)
			}
		}
	}},
	{"TopicsBeginAfterNamesThatDoNotExist", func(b *bench) {
		b.open(everything())
		for _, name := range []string{"a", "c/1", "c/2", "e"} {
			b.put(name)
		}
		for _, c := range []struct {
			pattern, after string
			reverse        bool
			want           string
		}{
			{"**", "b", false, "c/1 c/2 e"},
			{"**", "b", true, "a"},
			{"**", "z", false, ""},
			{"**", "z", true, "e c/2 c/1 a"},
			{"c/**", "a", false, "c/1 c/2"},
			{"c/**", "a", true, ""},
			{"c/**", "d", false, ""},
			{"c/**", "d", true, "c/2 c/1"},
			{"c/**", "c/1", false, "c/2"},
			{"c/**", "c/2", true, "c/1"},
		} {
			var got []string
			for _, t := range b.topics(eventlog.TopicQuery{Matcher: eventlog.MustPattern(c.pattern), After: c.after, Limit: 10, Reverse: c.reverse}) {
				got = append(got, t.Name)
			}
			b.equal(fmt.Sprintf("%s after %s, reverse %t", c.pattern, c.after, c.reverse), strings.Join(got, " "), c.want)
		}
	}},
	{"TopicsHaveSizeTimeAndRule", func(b *bench) {
		b.open(keep(rule("counted", eventlog.Rule{Count: 3})))
		size := map[string]int64{}
		for i := range 5 {
			for _, topics := range [][]string{{"counted"}, {"other", "shared"}} {
				r := eventlog.Record{Topics: topics, Data: strings.Repeat("x", i)}
				b.append(r)
				if topics[0] == "counted" && i < 2 {
					continue
				}
				for _, topic := range topics {
					size[topic] += int64(r.Size())
				}
			}
			b.clock.move(time.Second)
		}
		last := b.clock.time().Add(-time.Second).UTC().Truncate(time.Millisecond)
		b.settle()
		check := func(what string) {
			b.Helper()
			for _, t := range b.topics(eventlog.TopicQuery{Matcher: eventlog.MustPattern("**"), Limit: 10, Sizes: true}) {
				b.equal(what+": size of "+t.Name, t.Bytes, size[t.Name])
				b.equal(what+": time of "+t.Name, t.Time.UTC(), last)
				events, pattern := int64(5), ""
				if t.Name == "counted" {
					events, pattern = 3, "counted"
				}
				b.equal(what+": rule of "+t.Name, t.Rule.Pattern.String(), pattern)
				b.equal(what+": events of "+t.Name, t.Events, events)
			}
		}
		check("at first")
		for _, t := range b.topics(eventlog.TopicQuery{Matcher: eventlog.MustPattern("**"), Limit: 10}) {
			b.equal("size without being asked", t.Bytes, int64(0))
		}
	}},
	{"SizesShrinkWhenAMirrorGoesBack", func(b *bench) {
		m, ok := b.mirror(everything())
		if !ok {
			return
		}
		for seq := uint64(1); seq <= 4; seq++ {
			b.apply(b.batch(seq, eventlog.Record{Topics: []string{"a", "b"}[:1+seq%2], Data: strings.Repeat("x", int(seq))}))
		}
		size := func(want ...int64) {
			b.Helper()
			var got []int64
			for _, t := range b.topics(eventlog.TopicQuery{Matcher: eventlog.MustPattern("**"), Limit: 10, Sizes: true}) {
				got = append(got, t.Bytes)
			}
			b.equal("sizes", got, want)
		}
		all := [4]int64{}
		for i := range all {
			all[i] = int64((&eventlog.Record{Topics: []string{"a", "b"}[:1+(i+1)%2], Data: strings.Repeat("x", i+1)}).Size())
		}
		size(all[0]+all[1]+all[2]+all[3], all[0]+all[2])
		if err := m.SetGeneration(b.Context(), "other", 2); err != nil {
			b.Fatal(err)
		}
		size(all[0]+all[1], all[0])
	}},
}

// topics lists topics, none if the log cannot.
func (b *bench) topics(q eventlog.TopicQuery) []eventlog.TopicInfo {
	b.Helper()
	l, ok := b.log.(eventlog.Lister)
	if !ok {
		b.Skip("the log does not list its topics")
	}
	topics, err := l.Topics(b.Context(), q)
	if err != nil {
		b.Fatal(err)
	}
	return topics
}
