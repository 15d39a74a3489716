package main

import (
	"cmp"
	"regexp"
	"strings"
)

// plainly rewrites errors of kong without terms of Go.
func plainly(text string) string {
	for _, p := range plainWords {
		text = p.kong.ReplaceAllStringFunc(text, func(match string) string {
			plain := p.kong.ReplaceAllString(match, p.plain)
			return strings.ReplaceAll(plain, `","`, `", "`)
		})
	}
	return text
}

var plainWords = []struct {
	kong  *regexp.Regexp
	plain string
}{
	{regexp.MustCompile(`expected a valid 16 bit uint but got ("\d+")(?: \(.*\))?`), "$1 is too large; the maximum is 65535"},
	{regexp.MustCompile(`expected a valid 32 bit uint but got ("\d+")(?: \(.*\))?`), "$1 is too large; the maximum is 4294967295"},
	{regexp.MustCompile(`expected a valid \d+ bit u?int but got ("\d+")(?: \(.*\))?`), "$1 is too large"},
	{regexp.MustCompile(`expected (?:a valid \d+ bit|an) int but got ("[^"]*")(?: \(.*\))?`), "$1 is not a whole number"},
	{regexp.MustCompile(`expected (?:a valid \d+ bit|an) uint but got ("[^"]*")(?: \(.*\))?`), "$1 is not a whole number of at least 0"},
	{regexp.MustCompile(`expected a float but got ("[^"]*")(?: \(.*\))?`), "$1 is not a number"},
	{regexp.MustCompile(`expected duration but got ("[^"]*").*`), "$1 is not a time such as 10s, 5m or 1h30m"},
	{regexp.MustCompile(`bool value must be .* but got ("[^"]*")`), "$1 is neither true nor false"},
	{regexp.MustCompile(`(--\S+) must be one of ((?:"[^"]*",?)+) but got ("[^"]*")`), "$1: $3 is not one of $2"},
	{regexp.MustCompile(`expected \S+ value but got "EOL" \(<EOL>\)`), "the value is missing"},
	{regexp.MustCompile(`expected \S+ value but got ("-[^"]*") \((?:short|long) flag\); perhaps try (--[^= ]+)=.*`), "$1 looks like a flag; if it is the value, write $2=$1"},
}

// unknownFlag matches kong's error for a flag that a command does not have.
var unknownFlag = regexp.MustCompile(`^unknown flag (--?[^\s,]+)`)

// flagHint suggests what to write instead of an unknown flag that other programs have, "" if there is no suggestion. args is the command line.
func flagHint(command, flag string, args []string) string {
	value := ""
	for i, arg := range args {
		name, joined, ok := strings.Cut(arg, "=")
		switch {
		case name != flag && !strings.HasPrefix(arg, flag):
		case ok:
			value = joined
		case name == flag && i+1 < len(args) && !strings.HasPrefix(args[i+1], "-"):
			value = args[i+1]
		}
	}
	listens := command == "tidings serve" || command == "tidings demo" || command == "tidings config"
	switch {
	case listens && (flag == "--port" || flag == "-p"):
		return "the port is part of --addr: " + command + " --addr :" + cmp.Or(value, "3001")
	case listens && command != "tidings demo" && flag == "-c":
		return command + " --config " + cmp.Or(value, "FILE")
	case command == "tidings pub" && (flag == "-d" || flag == "--data"):
		return "data needs no flag: tidings pub TOPIC DATA"
	case command == "tidings pub" && len(flag) == 2:
		return "put data that begins with a hyphen after --, as in tidings pub TOPIC -- " + flag
	case command == "tidings token mint" && (strings.HasPrefix(flag, "--exp") || flag == "--lifetime"):
		return "--ttl says how long a token is valid"
	}
	return ""
}
