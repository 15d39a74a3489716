package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/tidings-sse/tidings/hub"
)

var (
	cities = []string{"Amsterdam", "Berlin", "Lisbon", "Oslo", "Prague", "Rome"}
	goods  = []string{"teapot", "bicycle bell", "umbrella", "notebook", "lamp", "kite"}
)

// sell publishes an invented order at about each interval, and the number of visitors, until ctx ends.
func sell(ctx context.Context, h *hub.Hub, interval time.Duration) error {
	visitors := 120.0
	for n := 1; ; n++ {
		city, what := cities[min(rand.IntN(9), len(cities)-1)], goods[rand.IntN(len(goods))]
		events := []hub.Event{{
			Topics: []string{"orders/" + city}, Type: "order",
			Data: fmt.Sprintf(`{"number":%d,"city":%q,"what":%q,"amount":%d}`, n, city, what, 5+rand.IntN(95)),
		}}
		if n%4 == 0 {
			visitors = math.Max(20, visitors+rand.NormFloat64()*12)
			events = append(events, hub.Event{Topics: []string{"visitors"}, Data: fmt.Sprintf(`%.0f`, visitors)})
		}
		if _, err := h.Publish(ctx, events...); err != nil {
			return err
		}
		select {
		case <-time.After(interval/2 + rand.N(interval)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
