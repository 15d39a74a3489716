package main

import (
	"cmp"
	"regexp"
	"strings"
)

// plainly rewrites errors of kong in words that make sense without knowing the program.
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
	{regexp.MustCompile(`expected a valid 16 bit uint but got ("\d+")(?: \(.*\))?`), "$1 is too large; 65535 is the most"},
	{regexp.MustCompile(`expected a valid 32 bit uint but got ("\d+")(?: \(.*\))?`), "$1 is too large; 4294967295 is the most"},
	{regexp.MustCompile(`expected a valid \d+ bit u?int but got ("\d+")(?: \(.*\))?`), "$1 is too large"},
	{regexp.MustCompile(`expected (?:a valid \d+ bit|an) int but got ("[^"]*")(?: \(.*\))?`), "$1 is no whole number"},
	{regexp.MustCompile(`expected (?:a valid \d+ bit|an) uint but got ("[^"]*")(?: \(.*\))?`), "$1 is no whole number from 0 on"},
	{regexp.MustCompile(`expected a float but got ("[^"]*")(?: \(.*\))?`), "$1 is no number"},
	{regexp.MustCompile(`expected duration but got ("[^"]*").*`), "$1 is no time such as 10s, 5m or 1h30m"},
	{regexp.MustCompile(`bool value must be .* but got ("[^"]*")`), "$1 is neither true nor false"},
	{regexp.MustCompile(`(--\S+) must be one of ((?:"[^"]*",?)+) but got ("[^"]*")`), "$1: $3 is none of $2"},
	{regexp.MustCompile(`expected \S+ value but got "EOL" \(<EOL>\)`), "there is no value"},
	{regexp.MustCompile(`expected \S+ value but got ("-[^"]*") \((?:short|long) flag\); perhaps try (--[^= ]+)=.*`), "$1 looks like a flag; if it is the value, write $2=$1"},
}

// unknownFlag is what kong says about a flag that a command does not have.
var unknownFlag = regexp.MustCompile(`^unknown flag (--?[^\s,]+)`)

// flagHint says how to write what somebody meant by a flag that a command does not have, "" if nobody knows. args is the command line.
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
		return "data that begins with a hyphen stands behind --, as in tidings pub TOPIC -- " + flag
	case command == "tidings token mint" && (strings.HasPrefix(flag, "--exp") || flag == "--lifetime"):
		return "how long a token lives is said by --ttl"
	}
	return ""
}
