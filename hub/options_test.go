package hub_test

import (
	"fmt"
	"math"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
)

// TestOptionsWorkAtTheirLimits: with each option at its bounds, a hub accepts an event and sends it. Beyond them, New refuses the option by
// name.
func TestOptionsWorkAtTheirLimits(t *testing.T) {
	t.Parallel()
	const longest = 10 * 365 * 24 * time.Hour
	rates := func(set func(*hub.Options, hub.Rate)) (works, refused []func(*hub.Options)) {
		for _, r := range []hub.Rate{{PerSecond: 1e-300, Burst: 1}, {PerSecond: 1e300}, {PerSecond: 1e300, Burst: math.MaxInt}, {PerSecond: 1e-9}} {
			works = append(works, func(o *hub.Options) { set(o, r) })
		}
		for _, r := range []hub.Rate{{PerSecond: -1}, {PerSecond: 1, Burst: -1}, {PerSecond: math.NaN()}, {PerSecond: math.Inf(1)}, {Burst: 1}} {
			refused = append(refused, func(o *hub.Options) { set(o, r) })
		}
		return works, refused
	}
	type bounds struct{ works, refused []func(*hub.Options) }
	numbers := func(set func(*hub.Options, int64), works []int64, refused ...int64) (b bounds) {
		for _, n := range works {
			b.works = append(b.works, func(o *hub.Options) { set(o, n) })
		}
		for _, n := range refused {
			b.refused = append(b.refused, func(o *hub.Options) { set(o, n) })
		}
		return b
	}
	perAddress, badPerAddress := rates(func(o *hub.Options, r hub.Rate) { o.PublishPerAddress = r })
	perToken, badPerToken := rates(func(o *hub.Options, r hub.Rate) { o.PublishPerToken = r })
	table := map[string]bounds{
		"MaxConnections":    numbers(func(o *hub.Options, n int64) { o.MaxConnections = int(n) }, []int64{2, math.MaxInt64}, -1),
		"MaxHTTP1Streams":   numbers(func(o *hub.Options, n int64) { o.MaxHTTP1Streams = int(n) }, []int64{2, math.MaxInt64}, -1),
		"MaxPerAddress":     numbers(func(o *hub.Options, n int64) { o.MaxPerAddress = int(n) }, []int64{2, math.MaxInt64}, -1),
		"MaxPerToken":       numbers(func(o *hub.Options, n int64) { o.MaxPerToken = int(n) }, []int64{2, math.MaxInt64}, -1),
		"MaxMembers":        numbers(func(o *hub.Options, n int64) { o.MaxMembers = int(n) }, []int64{1, math.MaxInt32}, -1, math.MaxInt32+1),
		"PublishPerAddress": {perAddress, badPerAddress},
		"PublishPerToken":   {perToken, badPerToken},
		"BodyTimeout":       numbers(func(o *hub.Options, n int64) { o.BodyTimeout = time.Duration(n) }, []int64{int64(time.Second), int64(longest)}, -1, int64(longest)+1),
		"MaxEvent":          numbers(func(o *hub.Options, n int64) { o.MaxEvent = int(n) }, []int64{5, eventlog.MaxData}, -1, eventlog.MaxData+1),
		"MaxBodyMemory":     numbers(func(o *hub.Options, n int64) { o.MaxBodyMemory = n }, []int64{6 << 20, math.MaxInt64}, -1, 1, 6<<20-1),
		"MaxTopics":         numbers(func(o *hub.Options, n int64) { o.MaxTopics = int(n) }, []int64{1, math.MaxInt32}, -1, math.MaxInt32+1),
		"Window":            numbers(func(o *hub.Options, n int64) { o.Window = n }, []int64{1, math.MaxInt64}, -1),
		"Heartbeat":         numbers(func(o *hub.Options, n int64) { o.Heartbeat = time.Duration(n) }, []int64{1, int64(longest)}, -1, int64(longest)+1),
		"HeartbeatMin":      numbers(func(o *hub.Options, n int64) { o.HeartbeatMin = time.Duration(n) }, []int64{1, int64(25 * time.Second)}, -1, int64(25*time.Second)+1, int64(longest)+1),
		"MaxAge":            numbers(func(o *hub.Options, n int64) { o.MaxAge = time.Duration(n) }, []int64{int64(time.Second), int64(longest)}, -1, int64(longest)+1),
		"Gather":            numbers(func(o *hub.Options, n int64) { o.Gather = time.Duration(n) }, []int64{1, int64(time.Second)}, -1, int64(time.Second)+1),
		"WriteTimeout":      numbers(func(o *hub.Options, n int64) { o.WriteTimeout = time.Duration(n) }, []int64{int64(time.Second), int64(longest)}, -1, int64(longest)+1),
		"MaxLag":            numbers(func(o *hub.Options, n int64) { o.MaxLag = n }, []int64{1, math.MaxInt64}, -1),
		"MaxLagTime":        numbers(func(o *hub.Options, n int64) { o.MaxLagTime = time.Duration(n) }, []int64{1, int64(longest)}, -1, int64(longest)+1),
	}
	for field := range reflect.TypeFor[hub.Options]().Fields() {
		if _, known := table[field.Name]; !known && (field.Type.Kind() >= reflect.Int && field.Type.Kind() <= reflect.Float64 || field.Type == reflect.TypeFor[hub.Rate]()) {
			t.Errorf("the table lacks the bounds of %s", field.Name)
		}
	}
	for name, b := range table {
		for i, set := range b.works {
			t.Run(fmt.Sprint(name, i), func(t *testing.T) {
				t.Parallel()
				var o hub.Options
				set(&o)
				s := serve(t, mustMemory(t, nil), &o, transports[0])
				f := s.follow("/events/news", nil)
				s.post("news", "hello")
				f.want("hello")
				if a := s.send(request{path: "/events/news?poll=1"}); a.status != http.StatusOK || !strings.Contains(a.body, "data: hello\n") {
					t.Errorf("a poll: %d %s", a.status, a.body)
				}
			})
		}
		for i, set := range b.refused {
			var o hub.Options
			set(&o)
			if _, err := hub.New(mustMemory(t, nil), &o); err == nil || o.Check() == nil || !strings.Contains(err.Error(), name) && !strings.Contains(err.Error(), "rate") {
				t.Errorf("%s, %d: %v", name, i, err)
			}
		}
	}
}
