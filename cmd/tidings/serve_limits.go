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

// limitFlags limit what clients may use.
type limitFlags struct {
	MaxEvent      byteSize      `default:"1MiB" placeholder:"SIZE" help:"Size of the largest event; ${default} by default, at most 16MiB."`
	MaxTopics     uint16        `default:"1000" placeholder:"N" help:"Maximum number of topics and patterns of one subscription; ${default} by default."`
	IgnoreParam   []string      `sep:"none" placeholder:"NAME" help:"Ignore a parameter that a library or proxy adds to requests, such as datastar. Other unknown parameters are refused, except _, _t and _ts. Can be repeated."`
	MaxBodyMemory byteSize      `default:"128MiB" placeholder:"SIZE" help:"Memory for all bodies that are being published, beyond the first 16KiB of each; ${default} by default, at least 6 times --max-event. One address, or one token, may use half of it."`
	HeaderTimeout time.Duration `default:"10s" placeholder:"TIME" help:"How long the header of a request may take to arrive; ${default} by default."`
	BodyTimeout   time.Duration `default:"1m" placeholder:"TIME" help:"How long the body of a single event may take to arrive; ${default} by default."`

	MaxConnections           uint32 `default:"0" placeholder:"N" help:"Maximum number of open streams; 0 for as many as the limit of open files allows, without the files that the log needs. Over HTTP/2 many streams share a connection, so N may be far larger. New streams over the limit are refused, with a time after which to try again."`
	MaxConnectionsPerAddress uint32 `default:"0" placeholder:"N" help:"Maximum number of streams of one address, or of one /64 network of IPv6; 0 for no limit."`
	MaxConnectionsPerToken   uint32 `default:"0" placeholder:"N" help:"Maximum number of streams of one subject (sub), or of one token without a subject; 0 for no limit."`

	MaxMembers uint32 `default:"1000000" placeholder:"N" help:"Maximum number of members of all topics, the subjects whose streams asked to be seen (present=1); ${default} by default. New streams over the limit are refused, with a time after which to try again. One subject (sub) may have a hundredth of them, at least 100; on a hub without keys, one address or one /64 network of IPv6."`

	PublishRatePerAddress eventRate `placeholder:"RATE" help:"Maximum rate at which one address may publish, such as 100/s, or 100/s:500 for bursts of up to 500 events; no limit by default."`
	PublishRatePerToken   eventRate `placeholder:"RATE" help:"The same for one subject, or for one token without a subject."`

	WriteTimeout time.Duration  `default:"10s" placeholder:"TIME" help:"How long a subscriber may accept no data before it is disconnected; ${default} by default. It misses nothing if it reconnects."`
	MaxAge       time.Duration  `default:"0s" placeholder:"TIME" help:"Longest life of a stream, such as 1h; 0s for no limit, otherwise at least 1s and at most 87600h. The stream ends after 80 to 100 % of it; its client reconnects and misses nothing. Use it behind a proxy that keeps connections whose browsers have gone."`
	HeartbeatMin time.Duration  `default:"5s" placeholder:"TIME" help:"Shortest heartbeat interval that a subscriber may ask for (?heartbeat=15s); ${default} by default, at least 1ms and at most 25s, the interval of the hub."`
	Gather       time.Duration  `default:"0s" placeholder:"TIME" help:"How long an event may wait for others, so that one write delivers all of them, such as 5ms; at most 1s, 0s for not at all. It saves CPU time when topics have hundreds of events per second."`
	Compress     []topicPattern `sep:"none" placeholder:"PATTERN" help:"Compress streams and polls, all of whose topics PATTERN covers, for clients that accept gzip. Subscribers of the same topics share one compressor. Not for topics whose publishers must not learn each other's data. Can be repeated."`
	MaxLag       byteSize       `placeholder:"SIZE" help:"How far a live subscriber may fall behind, in bytes of all events since; no limit by default. Beyond that it is disconnected, and misses nothing if it reconnects."`
	MaxLagTime   time.Duration  `default:"0s" placeholder:"TIME" help:"The same in time; 0s for no limit."`
	SkipSlow     bool           `help:"Move subscribers that are too far behind to the newest event instead, with a gap event."`

	TrustedProxy []netip.Prefix `sep:"none" placeholder:"NETWORK" help:"Network of proxies, such as 10.0.0.0/8, whose X-Forwarded-For and Forwarded fields name the client. Can be repeated."`
}

// eventRate is a rate on the command line.
type eventRate struct{ hub.Rate }

// UnmarshalText reads a rate such as 100/s or 100/s:500.
func (r *eventRate) UnmarshalText(text []byte) (err error) {
	average, burst, hasBurst := strings.Cut(string(text), ":")
	r.Rate = hub.Rate{}
	if r.PerSecond, err = strconv.ParseFloat(strings.TrimSuffix(average, "/s"), 64); err == nil && hasBurst {
		r.Burst, err = strconv.Atoi(burst)
	}
	if err != nil || !(r.PerSecond > 0) || math.IsInf(r.PerSecond, 0) || hasBurst && r.Burst < 1 {
		return fmt.Errorf("%q is not a rate such as 100/s or 100/s:500", text)
	}
	return nil
}

// MarshalText returns the text of the rate, "" for none.
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
	largestEvent     = 16 << 20
	longestTime      = 10 * 365 * 24 * time.Hour
	longestHeartbeat = 25 * time.Second // the default of hub.Options.Heartbeat
	longestGather    = time.Second      // as in hub.Options.Gather
	leastBodies      = 6                // how many largest events --max-body-memory has room for, at least
)

func (f *limitFlags) checkLimits() error {
	for _, d := range []struct {
		flag         string
		value, least time.Duration
	}{
		{"header-timeout", f.HeaderTimeout, time.Millisecond},
		{"body-timeout", f.BodyTimeout, time.Millisecond},
		{"write-timeout", f.WriteTimeout, time.Millisecond},
		{"heartbeat-min", f.HeartbeatMin, time.Millisecond},
		{"max-lag-time", f.MaxLagTime, 0},
	} {
		if d.value < d.least || d.value > longestTime {
			return fmt.Errorf("--%s is %v; it must be %v to %v", d.flag, d.value, d.least, longestTime)
		}
	}
	switch {
	case f.MaxAge != 0 && f.MaxAge < time.Second || f.MaxAge > longestTime:
		return fmt.Errorf("--max-age is %v; it must be 0 for no limit, or %v to %v", f.MaxAge, time.Second, longestTime)
	case f.Gather < 0 || f.Gather > longestGather:
		return fmt.Errorf("--gather is %v; it must be 0 for not at all, or at most %v", f.Gather, longestGather)
	case f.HeartbeatMin > longestHeartbeat:
		return fmt.Errorf("--heartbeat-min is %v; it must be at most %v, the interval of the hub's own heartbeats", f.HeartbeatMin, longestHeartbeat)
	case f.MaxEvent > largestEvent:
		return fmt.Errorf("--max-event is larger than %d bytes, the maximum", largestEvent)
	case f.MaxMembers == 0 || f.MaxMembers > math.MaxInt32:
		return fmt.Errorf("--max-members is %d; it must be 1 to %d", f.MaxMembers, math.MaxInt32)
	case f.MaxTopics == 0:
		return errors.New("--max-topics is 0, which allows no subscription; it must be 1 to 65535")
	}
	if f.MaxBodyMemory < leastBodies*f.MaxEvent {
		return fmt.Errorf("--max-body-memory is too small for --max-event; it must be at least %d bytes, %d times as much", leastBodies*f.MaxEvent, leastBodies)
	}
	if err := (&hub.Options{IgnoreParams: f.IgnoreParam}).Check(); err != nil {
		return fmt.Errorf("--ignore-param: %w", err)
	}
	var o hub.Options
	f.limit(&o)
	return o.Check()
}

// limit sets the options of the flags.
func (f *limitFlags) limit(o *hub.Options) {
	o.MaxEvent, o.MaxTopics, o.BodyTimeout = int(f.MaxEvent), int(f.MaxTopics), f.BodyTimeout
	o.MaxBodyMemory = int64(f.MaxBodyMemory)
	o.MaxConnections, o.MaxPerAddress, o.MaxPerToken = int(f.MaxConnections), int(f.MaxConnectionsPerAddress), int(f.MaxConnectionsPerToken)
	o.MaxMembers = int(f.MaxMembers)
	o.PublishPerAddress, o.PublishPerToken = f.PublishRatePerAddress.Rate, f.PublishRatePerToken.Rate
	o.WriteTimeout, o.MaxLag, o.MaxLagTime, o.SkipSlow = f.WriteTimeout, int64(f.MaxLag), f.MaxLagTime, f.SkipSlow
	o.MaxAge, o.HeartbeatMin, o.Gather = f.MaxAge, f.HeartbeatMin, f.Gather
	o.TrustedProxies, o.IgnoreParams = f.TrustedProxy, f.IgnoreParam
	for _, p := range f.Compress {
		o.Compress = append(o.Compress, p.Pattern)
	}
}
