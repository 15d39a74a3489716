package main

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// environ is the environment: NAME=value, as os.Environ returns it.
type environ []string

// lookup returns the value of a variable, "" if it is not set.
func (e environ) lookup(name string) string {
	for _, variable := range slices.Backward(e) {
		if value, ok := strings.CutPrefix(variable, name+"="); ok {
			return value
		}
	}
	return ""
}

const envPrefix = "TIDINGS_"

// variable returns the name of the environment variable that stands for a flag.
func variable(flag string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// settings returns the settings of a configuration file, by default the one in TIDINGS_CONFIG, and after them those of the environment, which
// override them. lists has the names that count in the environment, and whether they take a list. An empty variable is ignored, because container files often
// set variables to nothing.
func (e environ) settings(file string, lists map[string]bool) (settings []setting, err error) {
	if file = cmp.Or(file, e.lookup(variable("config"))); file != "" {
		if settings, err = readConfig(file); err != nil {
			return nil, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(lists)) {
		value := e.lookup(variable(name))
		if value == "" {
			continue
		}
		s := setting{key: name, values: []string{value}, origin: "environment " + variable(name)}
		if lists[name] {
			s.values = strings.Fields(value)
		}
		settings = append(settings, s)
	}
	return settings, nil
}

// otherVariables are the variables that other commands read, or set for the commands of sub --exec, and the one of restarts.
var otherVariables = []string{handOverVariable, "TIDINGS_HUB", "TIDINGS_TOKEN", "TIDINGS_TYPE", "TIDINGS_ID", "TIDINGS_TOPIC"}

// serviceVariable matches the variables that Kubernetes sets in every pod for a service named tidings or tidings-something.
var serviceVariable = regexp.MustCompile(`^TIDINGS_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT(_\d+_(TCP|UDP|SCTP)(_.+)?)?)$`)

// unknown returns an error for a TIDINGS_ variable that no command reads. It never shows a value, which may be a secret.
func (e environ) unknown(flags map[string]*kong.Flag, others ...string) error {
	known := append(others, otherVariables...)
	for name := range flags {
		known = append(known, variable(name))
	}
	for _, v := range e {
		name, value, _ := strings.Cut(v, "=")
		if value != "" && strings.HasPrefix(name, envPrefix) && !slices.Contains(known, name) && !serviceVariable.MatchString(name) {
			return fmt.Errorf("unknown environment variable %s%s", name, didYouMean(name, known))
		}
	}
	return nil
}
