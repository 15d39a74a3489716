package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v4"
)

// setting is the value of a flag in the file or the environment.
type setting struct {
	key    string // the flag's name
	values []string
	origin string // such as file hub.yaml:3, or environment TIDINGS_ADDR
}

// longestFile is the size of the largest configuration file, in bytes.
const longestFile = 1 << 20

// readConfig reads the settings in a YAML file. It maps the names of flags to values or lists of values.
//
// A value is the text in the file, as on the command line. YAML's own types would change some values: 0660 would become an octal number.
func readConfig(name string) ([]setting, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("the configuration cannot be read: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, longestFile+1))
	if err != nil {
		return nil, fmt.Errorf("the configuration cannot be read: %w", err)
	}
	if len(text) > longestFile {
		return nil, fmt.Errorf("file %s has more than %d bytes, the maximum of a configuration file", filepath.Base(name), longestFile)
	}
	settings, err := parseConfig(bytes.NewReader(text), filepath.Base(name))
	if err != nil {
		return nil, fmt.Errorf("file %w", err)
	}
	return settings, nil
}

// parseConfig parses a file. Its errors begin with the name of the file.
func parseConfig(r io.Reader, name string) ([]setting, error) {
	decoder := yaml.NewDecoder(r)
	var doc, more yaml.Node
	if err := decoder.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, nil // empty, or comments only
	} else if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if err := decoder.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: there is more after the first document; write only one document", name)
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s:%d: write lines such as addr: localhost:3000", name, root.Line)
	}
	var settings []setting
	lines := map[string]int{}
	for i := 0; i < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		if first, twice := lines[key.Value]; twice {
			return nil, fmt.Errorf("%s:%d: %s is already set in line %d", name, key.Line, key.Value, first)
		}
		lines[key.Value] = key.Line
		s := setting{key: key.Value, origin: fmt.Sprintf("file %s:%d", name, key.Line)}
		var err error
		if s.values, err = valuesOf(value); err != nil {
			return nil, fmt.Errorf("%s:%d: %s: %w", name, value.Line, key.Value, err)
		}
		settings = append(settings, s)
	}
	return settings, nil
}

// valuesOf returns the values of a key, nil for a key without a value, such as "data:". Such a key is ignored.
func valuesOf(node *yaml.Node) ([]string, error) {
	if node.Kind == yaml.ScalarNode {
		if node.Tag == "!!null" {
			return nil, nil
		}
		return []string{node.Value}, nil
	}
	if node.Kind != yaml.SequenceNode {
		return nil, errors.New("this is neither a value nor a list of values")
	}
	values := []string{}
	for _, item := range node.Content {
		if item.Kind != yaml.ScalarNode || item.Tag == "!!null" {
			return nil, fmt.Errorf("line %d of the list is not a value", item.Line)
		}
		values = append(values, item.Value)
	}
	return values, nil
}
