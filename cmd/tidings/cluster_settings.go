package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/tidings-sse/tidings/eventlog/cluster"
)

// keptText returns the settings of a cluster as the flags that an operator gives.
func keptText(s *cluster.Settings) string {
	var flags []string
	for _, rule := range s.Rules {
		var limits []string
		if age, err := time.ParseDuration(rule.Age); err == nil {
			limits = append(limits, "age:"+ageText(age))
		}
		if rule.Count > 0 {
			limits = append(limits, fmt.Sprint("count:", rule.Count))
		}
		if rule.Latest > 0 {
			limits = append(limits, fmt.Sprint("latest:", rule.Latest))
		}
		if limits == nil {
			limits = []string{"all"}
		}
		flags = append(flags, "--keep '"+rule.Pattern+"="+strings.Join(limits, ",")+"'")
	}
	if s.Bytes > 0 {
		size, _ := byteSize(s.Bytes).MarshalText() // never fails
		flags = append(flags, "--keep-bytes "+string(size))
	}
	return strings.Join(append(flags, fmt.Sprint("--topics-remembered ", max(s.Topics, 0))), " ")
}

// ageText returns a time as parseAge reads it: in days, or in the units that it needs.
func ageText(age time.Duration) string {
	const day = 24 * time.Hour
	if age >= day && age%day == 0 {
		return fmt.Sprintf("%dd", age/day)
	}
	text := age.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// otherSettings describes the flags of a hub that cannot join its cluster. Other settings have no flags: programs of different versions differ
// in them, and the error names these.
func otherSettings(err *cluster.SettingsError) error {
	here, there := keptText(err.Hub), keptText(err.Cluster)
	if here == there {
		return err
	}
	return fmt.Errorf("this hub has other settings than its cluster: here %s, there %s", here, there)
}
