package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// configFlags name the configuration file.
//
// A setting has one name everywhere: --max-event is max-event in the file and TIDINGS_MAX_EVENT in the environment. The file and the
// environment are read into the same fields of serveFlags as the command line.
type configFlags struct {
	Config string `type:"path" placeholder:"FILE" help:"A YAML file with settings: the names of these flags without --. Environment variables (TIDINGS_ADDR for --addr) override it, and flags override both."`
}

// BeforeResolve applies the settings of the file and the environment. Kong calls it after it has set the defaults, and before it applies the
// flags of the command line, which override all others.
func (f *serveFlags) BeforeResolve(line *kong.Context, env environ) error {
	flags, lists := map[string]*kong.Flag{}, map[string]bool{}
	for _, flag := range line.Selected().Flags {
		flags[flag.Name], lists[flag.Name] = flag, flag.IsSlice()
	}
	f.origins = map[string]string{}
	file, _ := line.FlagValue(flags["config"]).(string)
	said, err := env.settings(file, lists)
	if err != nil {
		return err
	}
	for _, s := range said {
		if err := f.apply(s, flags); err != nil {
			return err
		}
	}
	for _, step := range line.Path {
		if step.Flag != nil {
			f.origins[step.Flag.Name] = "flag --" + step.Flag.Name
		}
	}
	keyEnv, _ := line.FlagValue(flags["key-env"]).(string)
	return env.unknown(flags, keyEnv, flags["key-env"].Default)
}

// apply sets the field of a flag to a setting of the file or the environment.
func (f *serveFlags) apply(s setting, flags map[string]*kong.Flag) error {
	flag, ok := flags[s.key]
	switch {
	case !ok || s.key == "config" && strings.HasPrefix(s.origin, "file"):
		return fmt.Errorf("%s: unknown key %q%s", s.origin, s.key, didYouMean(s.key, slices.Collect(maps.Keys(flags))))
	case s.values == nil:
		return nil
	case len(s.values) != 1 && !flag.IsSlice():
		return fmt.Errorf("%s: %s takes one value, not a list", s.origin, s.key)
	}
	flag.Target.SetZero()
	for _, value := range s.values {
		if err := flag.Parse(kong.Scan().PushTyped(value, kong.FlagValueToken), flag.Target); err != nil {
			return fmt.Errorf("%s: %w", s.origin, err)
		}
		if flag.Enum != "" && !flag.EnumMap()[value] {
			return fmt.Errorf("%s: --%s: %q is not one of %s", s.origin, s.key, value, strings.Join(flag.EnumSlice(), ", "))
		}
	}
	f.origins[s.key] = s.origin
	return nil
}
