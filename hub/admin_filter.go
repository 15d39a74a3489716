package hub

import (
	"math"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub/internal/fanout"
	"github.com/tidings-sse/tidings/internal/wire"
)

// filter selects the streams that satisfy all of its conditions. Shards check the conditions in their goroutines. The zero filter selects
// all streams.
type filter []func(*fanout.Info) bool

func (f filter) match(i *fanout.Info) bool {
	for _, fulfils := range f {
		if !fulfils(i) {
			return false
		}
	}
	return true
}

// filterOf parses the parameters that select streams: subject, token, address, topic and lag.
func filterOf(p *params) (f filter, err error) {
	add := func(name string, condition func(value string) (func(*fanout.Info) bool, error)) {
		value, ok, wrong := p.one(name)
		switch {
		case wrong != nil || !ok:
		case value == "": // an empty subject would select all streams of a hub without tokens
			wrong = NewProblem(http.StatusBadRequest, wire.ProblemInvalidRequest, "%s has no value; give it one, or omit it", name)
		default:
			var fulfils func(*fanout.Info) bool
			if fulfils, wrong = condition(value); wrong == nil {
				f = append(f, fulfils)
			}
		}
		if err == nil {
			err = wrong
		}
	}
	add(wire.ParamSubject, func(value string) (func(*fanout.Info) bool, error) {
		return func(i *fanout.Info) bool { return clientOf(i).grant.Subject == value }, nil
	})
	add(wire.ParamToken, func(value string) (func(*fanout.Info) bool, error) {
		return func(i *fanout.Info) bool { return clientOf(i).grant.ID == value }, nil
	})
	add(wire.ParamAddress, func(value string) (func(*fanout.Info) bool, error) {
		prefix, err := parsePrefix(value)
		if err != nil {
			return nil, err
		}
		return func(i *fanout.Info) bool {
			return clientOf(i).from.known() && prefix.Contains(netip.AddrFrom16(clientOf(i).from).Unmap())
		}, nil
	})
	add(wire.ParamTopic, func(value string) (func(*fanout.Info) bool, error) {
		pattern, err := eventlog.ParsePattern(value)
		if err != nil {
			return nil, invalidTopic(err)
		}
		return func(i *fanout.Info) bool { return overlaps(i.Selector, pattern) }, nil
	})
	lag, wrong := p.number(wire.ParamLag, 0, 0, math.MaxInt)
	if err == nil {
		err = wrong
	}
	if lag > 0 {
		f = append(f, func(i *fanout.Info) bool { return i.Lag >= uint64(lag) })
	}
	return f, err
}

// parsePrefix parses an IP address, or a network such as 192.0.2.0/24.
func parsePrefix(text string) (netip.Prefix, error) {
	if prefix, err := netip.ParsePrefix(text); err == nil {
		return prefix, nil
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, NewProblem(http.StatusBadRequest, wire.ProblemInvalidRequest,
			"address=%.60s is invalid; it must be an IP address, or a network such as 192.0.2.0/24", text)
	}
	addr = addr.Unmap().WithZone("")
	return netip.PrefixFrom(addr, addr.BitLen()), nil
}

// overlaps reports whether a pattern and a selector may match the same topic. The answer is exact for names and patterns. For other
// matchers it compares prefixes only, and may be true although no topic matches both.
func overlaps(s *eventlog.Selector, pattern eventlog.Pattern) bool {
	if slices.ContainsFunc(s.Names(), pattern.Match) {
		return true
	}
	return slices.ContainsFunc(s.Matchers(), func(m eventlog.Matcher) bool {
		if p, ok := m.(eventlog.Pattern); ok {
			return pattern.Overlaps(p)
		}
		a, b := m.Prefix(), pattern.Prefix()
		return strings.HasPrefix(a, b) || strings.HasPrefix(b, a)
	})
}
