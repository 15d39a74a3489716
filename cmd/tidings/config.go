package main

import (
	"bytes"
	"cmp"
	"encoding"
	"errors"
	"fmt"
	"io"
	"reflect"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v4"
)

// configCmd is the command line of tidings config.
type configCmd struct {
	serveFlags `embed:""`
}

// Help is shown below the command's usage.
func (*configCmd) Help() string {
	return `Prints the settings that tidings serve would have with these flags, this environment and this file, and where each comes from: the
default, a line of the file, a variable, a flag. The output can be used as a file:

    tidings config > hub.yaml
    tidings serve --config hub.yaml

Keys are never shown: the settings only name their files and variables.

The command fails if tidings serve would refuse the settings.`
}

// Run prints the settings.
func (c *configCmd) Run(line *kong.Context, std stdio, env environ) error {
	if err := c.print(std.out, line.Selected().Flags); err != nil {
		return err
	}
	if err := c.check(env); err != nil {
		return &exitError{exitUsage, err}
	}
	return nil
}

func (f *serveFlags) print(w io.Writer, flags []*kong.Flag) error {
	root := &yaml.Node{Kind: yaml.MappingNode}
	group := ""
	for _, flag := range flags {
		if flag.Name == "config" {
			continue
		}
		key, value := &yaml.Node{Kind: yaml.ScalarNode, Value: flag.Name}, f.valueNode(flag)
		if flag.Group != nil && flag.Group.Title != group {
			group = flag.Group.Title
			key.HeadComment = "\n" + group
		}
		origin := cmp.Or(f.origins[flag.Name], "default")
		if flag.Name == "keep-bytes" && f.Memory && f.KeepBytes == 0 {
			origin += ": 64MiB and 100,000 events" // no single value says both
		}
		if value.Kind == yaml.SequenceNode {
			key.LineComment = origin
		} else {
			value.LineComment = origin
		}
		root.Content = append(root.Content, key, value)
	}
	var b bytes.Buffer
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	if err := errors.Join(encoder.Encode(root), encoder.Close()); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%s\n", bytes.TrimSpace(b.Bytes()))
	return err
}

// impliedDefaults are defaults that are not in the flags, because they depend on other settings or the log chooses them.
var impliedDefaults = map[string]string{"data": defaultData, "keep": "**=age:7d", "keep-bytes": "1GiB"}

// implied returns the default of a setting that is not set, "" for none.
func (f *serveFlags) implied(name string) string {
	switch {
	case f.Memory && name != "keep":
		return ""
	case name == "data":
		return kong.ExpandPath(defaultData) // as kong does with a given directory
	}
	return impliedDefaults[name]
}

// valueNode returns the value of a flag as YAML. A flag without a value gets null: the help says what that means.
func (f *serveFlags) valueNode(flag *kong.Flag) *yaml.Node {
	v := flag.Target
	implied := f.implied(flag.Name)
	switch {
	case v.IsZero() && implied != "" && flag.IsSlice():
		return &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{textNode(implied)}}
	case v.IsZero() && implied != "":
		return textNode(implied)
	case v.Kind() == reflect.Bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: fmt.Sprint(v.Bool())}
	case v.IsZero() && flag.Default == "": // a zero with a meaning is written
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null"}
	case flag.IsSlice():
		list := &yaml.Node{Kind: yaml.SequenceNode}
		for i := range v.Len() {
			list.Content = append(list.Content, textNode(v.Index(i).Interface()))
		}
		return list
	}
	_, marshals := v.Interface().(encoding.TextMarshaler)
	_, named := v.Interface().(fmt.Stringer) // such as a time
	if (v.CanInt() || v.CanUint()) && !marshals && !named {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: fmt.Sprint(v.Interface())}
	}
	return textNode(v.Interface())
}

// textNode returns a value as the text from which it is read.
func textNode(v any) *yaml.Node {
	text := fmt.Sprint(v)
	if m, ok := v.(encoding.TextMarshaler); ok {
		b, err := m.MarshalText()
		if err != nil {
			panic(err) // the values were read from text
		}
		text = string(b)
	}
	node := &yaml.Node{}
	node.SetString(text)
	return node
}
