package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
)

// keepRule is a rule on the command line: PATTERN=LIMITS.
type keepRule struct {
	text string
	rule eventlog.Rule
}

// MarshalText returns the text of the rule.
func (k keepRule) MarshalText() ([]byte, error) { return []byte(k.text), nil }

// UnmarshalText reads PATTERN=LIMITS.
func (k *keepRule) UnmarshalText(text []byte) error {
	i := strings.LastIndexByte(string(text), '=') // a topic may contain =, limits do not
	if i < 0 {
		return fmt.Errorf("%q is not a rule such as chat/**=age:24h,count:1000", text)
	}
	pattern, err := eventlog.ParsePattern(string(text[:i]))
	if err != nil {
		return err
	}
	if eventlog.Reserved(pattern.String()) {
		return fmt.Errorf("%q begins with $: the hub decides itself how long it keeps its own topics", pattern.String())
	}
	*k = keepRule{string(text), eventlog.Rule{Pattern: pattern}}
	if string(text[i+1:]) == "all" {
		return nil
	}
	for limit := range strings.SplitSeq(string(text[i+1:]), ",") {
		what, value, _ := strings.Cut(limit, ":")
		var err error
		switch what {
		case "age":
			k.rule.Age, err = parseAge(value)
		case "count":
			k.rule.Count, err = parseCount(value)
		case "latest":
			k.rule.Latest, err = parseCount(value)
		default:
			err = errors.New("limits are age, count and latest; or write all alone")
		}
		if err != nil {
			return fmt.Errorf("the limit %q is invalid: %w", limit, err)
		}
	}
	return nil
}

func parseCount(text string) (int, error) {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%q is not a whole number of at least 1", text)
	}
	return int(n), nil
}

// parseAge reads a duration such as 90s, 24h or 7d.
func parseAge(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil && n > 0 {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	} else if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return d, nil
	}
	return 0, fmt.Errorf("%q is not a time such as 90s, 24h or 7d", text)
}

// byteSize is a number of bytes on the command line: 500, 64KiB, 10MB.
type byteSize int64

var byteUnits = []struct {
	name string
	size float64
}{
	{"KiB", 1 << 10},
	{"MiB", 1 << 20},
	{"GiB", 1 << 30},
	{"TiB", 1 << 40},
	{"KB", 1e3},
	{"kB", 1e3},
	{"MB", 1e6},
	{"GB", 1e9},
	{"TB", 1e12},
	{"K", 1 << 10},
	{"M", 1 << 20},
	{"G", 1 << 30},
	{"T", 1 << 40},
	{"B", 1},
}

// UnmarshalText reads a size with or without a unit.
func (s *byteSize) UnmarshalText(text []byte) error {
	number, unit := string(text), 1.0
	for _, u := range byteUnits {
		if cut, ok := strings.CutSuffix(number, u.name); ok {
			number, unit = cut, u.size
			break
		}
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || !(n*unit >= 1 && n*unit <= 1<<60) { // also refuses NaN
		return fmt.Errorf("%q is not a size such as 500MB or 10GiB", text)
	}
	*s = byteSize(n * unit)
	return nil
}

// MarshalText returns the size in the unit that gives the smallest whole number.
func (s byteSize) MarshalText() ([]byte, error) {
	number, unit := int64(s), ""
	for _, u := range byteUnits {
		if size := int64(u.size); int64(s)%size == 0 && int64(s)/size < number {
			number, unit = int64(s)/size, u.name
		}
	}
	return fmt.Append(nil, number, unit), nil
}
