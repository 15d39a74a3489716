package main

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/tidings-sse/tidings/hub"
)

// limitFlags say how much somebody may ask for.
type limitFlags struct {
	MaxEvent      byteSize      `default:"1MiB" placeholder:"SIZE" help:"The largest event that is taken; ${default} if not said, at most 16MiB."`
	MaxTopics     uint16        `default:"1000" placeholder:"N" help:"How many topics and patterns one subscription may have; ${default} if not said."`
	IgnoreParam   []string      `sep:"none" placeholder:"NAME" help:"A parameter that a library or proxy adds to requests, such as datastar: it is ignored. Other unknown parameters are refused, except _, _t and _ts, which are always ignored. Can be repeated."`
	MaxBodyMemory byteSize      `default:"128MiB" placeholder:"SIZE" help:"The memory that all bodies together may take while they are published, beyond the first 16KiB of each; ${default} if not said, at least 6 times --max-event. One address, or one token, may take half of it."`
	HeaderTimeout time.Duration `default:"10s" placeholder:"TIME" help:"How long the header of a request may take to come; ${default} if not said."`
	BodyTimeout   time.Duration `default:"1m" placeholder:"TIME" help:"How long a body may take to come that is one event; ${default} if not said."`

	MaxConnections           uint32 `default:"0" placeholder:"N" help:"How many streams may be open; 0 is as many as the process may open files for, without those that the log needs. Who comes when there is no room is told to come back later."`
	MaxConnectionsPerAddress uint32 `default:"0" placeholder:"N" help:"How many of them by one address, or /64 network of IPv6; 0 is any number."`
	MaxConnectionsPerToken   uint32 `default:"0" placeholder:"N" help:"How many of them by one subject (sub), or one token if it has none; 0 is any number."`

	PublishRatePerAddress eventRate `placeholder:"RATE" help:"How many events one address may publish, such as 100/s, or 100/s:500 for as many as 500 at once after a pause; any number if not said."`
	PublishRatePerToken   eventRate `placeholder:"RATE" help:"The same for one subject, or one token."`

	WriteTimeout time.Duration `default:"10s" placeholder:"TIME" help:"How long a subscriber may take nothing of what it is sent; ${default} if not said. It is disconnected then, and has missed nothing when it comes back."`
	MaxAge       time.Duration `default:"0s" placeholder:"TIME" help:"The longest life of a stream, such as 1h; 0s is no bound. The stream ends after 80 to 100 % of it, and its client comes back and has missed nothing. Use it behind a proxy that keeps connections whose browsers have gone."`
	HeartbeatMin time.Duration `default:"5s" placeholder:"TIME" help:"The shortest interval of heartbeats that a subscriber may ask for (?heartbeat=15s); ${default} if not said."`
	MaxLag       byteSize      `placeholder:"SIZE" help:"How far a subscriber that was live may fall behind, in bytes of all events since; any number if not said. One beyond is disconnected, and has missed nothing when it comes back."`
	MaxLagTime   time.Duration `default:"0s" placeholder:"TIME" help:"The same in time; 0s is any time."`
	SkipSlow     bool          `help:"Move those who are too far behind on to the newest event instead, and tell them of the gap."`

	TrustedProxy []netip.Prefix `sep:"none" placeholder:"NETWORK" help:"A network of proxies, such as 10.0.0.0/8, which are believed when they say for whom they ask (X-Forwarded-For, Forwarded). May be said several times."`
}

// eventRate is a rate on the command line.
type eventRate struct{ hub.Rate }

// UnmarshalText reads 100/s and 100/s:500.
func (r *eventRate) UnmarshalText(text []byte) (err error) {
	average, burst, hasBurst := strings.Cut(string(text), ":")
	r.Rate = hub.Rate{}
	if r.PerSecond, err = strconv.ParseFloat(strings.TrimSuffix(average, "/s"), 64); err == nil && hasBurst {
		r.Burst, err = strconv.Atoi(burst)
	}
	if err != nil || !(r.PerSecond > 0) || math.IsInf(r.PerSecond, 0) || hasBurst && r.Burst < 1 {
		return fmt.Errorf("%q is no rate such as 100/s or 100/s:500", text)
	}
	return nil
}

// MarshalText writes it.
func (r eventRate) MarshalText() ([]byte, error) {
	switch {
	case r.PerSecond == 0:
		return nil, nil
	case r.Burst == 0:
		return fmt.Appendf(nil, "%g/s", r.PerSecond), nil
	}
	return fmt.Appendf(nil, "%g/s:%d", r.PerSecond, r.Burst), nil
}

const (
	largestEvent = 16 << 20
	longestTime  = 10 * 365 * 24 * time.Hour
	leastBodies  = 6 // that --max-body-memory has room for
)

func (f *limitFlags) checkLimits() error {
	for _, d := range []struct {
		flag         string
		value, least time.Duration
	}{
		{"header-timeout", f.HeaderTimeout, time.Millisecond},
		{"body-timeout", f.BodyTimeout, time.Millisecond},
		{"write-timeout", f.WriteTimeout, time.Millisecond},
		{"max-age", f.MaxAge, 0},
		{"heartbeat-min", f.HeartbeatMin, time.Millisecond},
		{"max-lag-time", f.MaxLagTime, 0},
	} {
		if d.value < d.least || d.value > longestTime {
			return fmt.Errorf("--%s is %v; it is %v to %v", d.flag, d.value, d.least, longestTime)
		}
	}
	switch {
	case f.MaxEvent > largestEvent:
		return fmt.Errorf("--max-event is more than %d bytes, the most that there can be", largestEvent)
	case f.MaxTopics == 0:
		return errors.New("--max-topics is 0, and nobody could follow a topic; it is 1 to 65535")
	}
	if f.MaxBodyMemory < leastBodies*f.MaxEvent {
		return fmt.Errorf("--max-body-memory has no room for events of --max-event; it is at least %d bytes, %d times as much", leastBodies*f.MaxEvent, leastBodies)
	}
	if err := (&hub.Options{IgnoreParams: f.IgnoreParam}).Check(); err != nil {
		return fmt.Errorf("--ignore-param: %w", err)
	}
	var o hub.Options
	f.limit(&o)
	return o.Check()
}

// limit sets what the flags say.
func (f *limitFlags) limit(o *hub.Options) {
	o.MaxEvent, o.MaxTopics, o.BodyTimeout = int(f.MaxEvent), int(f.MaxTopics), f.BodyTimeout
	o.MaxBodyMemory = int64(f.MaxBodyMemory)
	o.MaxConnections, o.MaxPerAddress, o.MaxPerToken = int(f.MaxConnections), int(f.MaxConnectionsPerAddress), int(f.MaxConnectionsPerToken)
	o.PublishPerAddress, o.PublishPerToken = f.PublishRatePerAddress.Rate, f.PublishRatePerToken.Rate
	o.WriteTimeout, o.MaxLag, o.MaxLagTime, o.SkipSlow = f.WriteTimeout, int64(f.MaxLag), f.MaxLagTime, f.SkipSlow
	o.MaxAge, o.HeartbeatMin = f.MaxAge, f.HeartbeatMin
	o.TrustedProxies, o.IgnoreParams = f.TrustedProxy, f.IgnoreParam
}
