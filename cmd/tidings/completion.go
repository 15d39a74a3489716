package main

import (
	_ "embed"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// Completion has two parts. A short script for each shell runs the hidden command tidings complete at each press of Tab. That command
// reads the words before the cursor against kong's model of the command line, and prints the candidates for the next word. So the scripts
// name no command and no flag, and never offer what the program does not accept.

// completionCmd is the command line of tidings completion.
type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Help is the manual.
func (*completionCmd) Help() string {
	return `
Prints a script that lets a shell complete commands, flags and their values.

For one session:

    source <(tidings completion bash)
    source <(tidings completion zsh)
    tidings completion fish | source

For all sessions (zsh finds it in a directory of its $fpath, if ~/.zshrc runs compinit):

    tidings completion bash > ~/.local/share/bash-completion/completions/tidings
    tidings completion zsh > "${fpath[1]}/_tidings"
    tidings completion fish > ~/.config/fish/completions/tidings.fish`
}

var (
	//go:embed completion/tidings.bash
	bashCompletion string
	//go:embed completion/tidings.zsh
	zshCompletion string
	//go:embed completion/tidings.fish
	fishCompletion string
)

// Run prints the script.
func (c *completionCmd) Run(std stdio) error {
	script := map[string]string{"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}[c.Shell]
	_, err := io.WriteString(std.out, script)
	return err
}

// completeCmd is the command that the scripts run.
type completeCmd struct {
	Shell string   `default:"zsh" help:"The shell."`
	Words []string `arg:"" optional:"" passthrough:"" help:"The words after tidings, up to the cursor."`
}

// Run prints the candidates for the last word, one per line: the word, a tab, and its meaning. The lines :files and :dirs ask the shell to
// complete names of files or directories.
func (c *completeCmd) Run(line *kong.Context, std stdio) error {
	words := c.Words
	if len(words) > 0 && words[0] == "--" {
		words = words[1:]
	}
	typed := "" // bash expects candidates without this prefix
	if c.Shell == "bash" {
		words, typed = joinBash(words)
	}
	for _, candidate := range candidates(line.Model.Node, words) {
		value, ok := strings.CutPrefix(candidate.value, typed)
		if !ok && candidate.value != filesCandidate && candidate.value != dirsCandidate {
			continue
		}
		if _, err := fmt.Fprintf(std.out, "%s\t%s\n", value, candidate.help); err != nil {
			return err
		}
	}
	return nil
}

// joinBash joins words that bash has split at = and :. Bash replaces only the part of the last word after the last separator; typed is
// the part before it.
func joinBash(split []string) (words []string, typed string) {
	joins := false // the next piece continues the last word
	for i, piece := range split {
		separator := piece != "" && strings.Trim(piece, "=:") == ""
		switch {
		case (separator || joins) && len(words) > 0:
			words[len(words)-1] += piece
		default:
			words = append(words, piece)
		}
		if last := words[len(words)-1]; i == len(split)-1 && len(last) > len(piece) {
			typed = last
			if !separator {
				typed = strings.TrimSuffix(last, piece)
			}
		}
		joins = separator
	}
	return words, typed
}

// candidate is a possible completion of a word.
type candidate struct{ value, help string }

// Values of candidates that ask the shell to complete names of files or directories.
const (
	filesCandidate = ":files"
	dirsCandidate  = ":dirs"
)

// candidates returns the candidates for the last word, in the order of the help text.
func candidates(node *kong.Node, words []string) []candidate {
	if len(words) == 0 {
		words = []string{""}
	}
	last := len(words) - 1
	var awaits *kong.Flag // the flag whose value is the next word
	args, onlyArgs := 0, false
	for _, word := range words[:last] {
		switch child := childOf(node, word); {
		case awaits != nil:
			awaits = nil
		case !onlyArgs && word == "--":
			onlyArgs = true
		case !onlyArgs && strings.HasPrefix(word, "-") && word != "-":
			awaits = awaiting(node, word)
		case child != nil && args == 0:
			node = child
		default:
			args++
		}
	}
	word := words[last]
	switch name, value, found := strings.Cut(word, "="); {
	case awaits != nil:
		return beginning(word, knownValues(awaits.Value, awaits.PlaceHolder))
	case onlyArgs || !strings.HasPrefix(word, "-"):
	case found:
		flag := flagOf(node, name)
		if flag == nil {
			return nil
		}
		all := beginning(value, knownValues(flag.Value, flag.PlaceHolder))
		for i := range all {
			if !strings.HasPrefix(all[i].value, ":") {
				all[i].value = name + "=" + all[i].value
			}
		}
		return all
	default:
		return beginning(word, flagsOf(node))
	}
	var all []candidate
	if args == 0 {
		for _, child := range node.Children {
			if !child.Hidden {
				all = append(all, candidate{child.Name, oneLine(child.Help)})
			}
		}
	}
	if n := len(node.Positional); n > 0 {
		if arg := node.Positional[min(args, n-1)]; args < n || arg.IsCumulative() {
			all = append(all, knownValues(arg, "")...)
		}
	}
	return beginning(word, all)
}

func childOf(node *kong.Node, word string) *kong.Node {
	for _, child := range node.Children {
		if child.Name == word || slices.Contains(child.Aliases, word) {
			return child
		}
	}
	return nil
}

// flagOf returns the flag that a word such as --hub or -f names.
func flagOf(node *kong.Node, word string) *kong.Flag {
	for _, group := range node.AllFlags(true) {
		for _, flag := range group {
			if word == "--"+flag.Name || flag.Short != 0 && word == "-"+string(flag.Short) {
				return flag
			}
		}
	}
	return nil
}

// awaiting returns the flag in a word whose value is the next word, or nil. In a word of several short flags, only the last can have a value.
func awaiting(node *kong.Node, word string) *kong.Flag {
	if !strings.HasPrefix(word, "--") {
		for i, short := range word[1:] {
			flag := flagOf(node, "-"+string(short))
			if flag == nil || !flag.IsBool() && !flag.IsCounter() {
				if i+1+len(string(short)) < len(word) { // the rest of the word is its value
					return nil
				}
				return flag
			}
		}
		return nil
	}
	if flag := flagOf(node, word); flag != nil && !flag.IsBool() && !flag.IsCounter() {
		return flag
	}
	return nil
}

// flagsOf returns the flags of a command as candidates.
func flagsOf(node *kong.Node) (all []candidate) {
	for _, group := range node.AllFlags(true) {
		for _, flag := range group {
			all = append(all, candidate{"--" + flag.Name, oneLine(flag.Help)})
			if flag.Negated {
				all = append(all, candidate{"--no-" + flag.Name, ""})
			}
		}
	}
	return all
}

// knownValues returns the values of a flag or argument as candidates, none if its values are free text.
func knownValues(v *kong.Value, placeholder string) (all []candidate) {
	switch {
	case v.Enum != "":
		for _, value := range v.EnumSlice() {
			if value != "" {
				all = append(all, candidate{value, ""})
			}
		}
	case v.Name == "dir" || v.Tag.Type == "existingdir" || placeholder == "DIR":
		all = append(all, candidate{dirsCandidate, ""})
	case v.Tag.Type == "path" || v.Tag.Type == "existingfile" || placeholder == "FILE" || v.Tag.PlaceHolder == "FILE":
		all = append(all, candidate{filesCandidate, ""})
	}
	return all
}

func beginning(with string, all []candidate) []candidate {
	return slices.DeleteFunc(all, func(c candidate) bool {
		return c.value != filesCandidate && c.value != dirsCandidate && !strings.HasPrefix(c.value, with)
	})
}

// oneLine returns the first sentence of a help text.
func oneLine(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if sentence, _, more := strings.Cut(text, ". "); more {
		return sentence
	}
	return strings.TrimSuffix(text, ".")
}
