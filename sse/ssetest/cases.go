package ssetest

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// The cases are JSON files, so that programs in any language can run them. cases/README.md describes the format.

//go:embed cases/parser.json
var parserJSON []byte

//go:embed cases/lifecycle.json
var lifecycleJSON []byte

var (
	parserCases    = sync.OnceValue(func() []ParserCase { return load[ParserCase, parserFile]("parser.json", parserJSON) })
	lifecycleCases = sync.OnceValue(func() []LifecycleCase { return load[LifecycleCase, lifecycleFile]("lifecycle.json", lifecycleJSON) })
)

// ParserCases returns the cases of cases/parser.json: streams, and the events that a parser must read from them (WHATWG
// HTML 9.2.5 and 9.2.6). The caller must not modify the slices and maps inside the elements.
func ParserCases() []ParserCase { return slices.Clone(parserCases()) }

// LifecycleCases returns the cases of cases/lifecycle.json: how a server responds, and how a client must react (WHATWG
// HTML 9.2.2 to 9.2.4). The caller must not modify the slices and maps inside the elements.
func LifecycleCases() []LifecycleCase { return slices.Clone(lifecycleCases()) }

// load decodes an embedded file. It panics if the file is invalid, which a test rules out.
func load[Case any, File interface{ convert() Case }](name string, text []byte) []Case {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var files []File
	if err := d.Decode(&files); err != nil {
		panic(fmt.Sprintf("ssetest: cases/%s: %v", name, err))
	}
	cases := make([]Case, len(files))
	for i, f := range files {
		cases[i] = f.convert()
	}
	return cases
}

// caseEvent is an event in a case file.
type caseEvent struct {
	Type      string `json:"type"`
	Data      string `json:"data"`
	DataParts parts  `json:"dataParts"`
	ID        string `json:"id"`
}

// parts is the short form of a long text: each element repeats a text.
type parts []part

type part struct {
	Text  string `json:"text"`
	Times int    `json:"times"`
}

func (p parts) text() string {
	var b strings.Builder
	for _, part := range p {
		b.WriteString(strings.Repeat(part.Text, part.Times))
	}
	return b.String()
}
