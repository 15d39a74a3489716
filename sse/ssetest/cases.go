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

// The cases are data, so that programs in any language can run them; cases/README.md describes the files.

//go:embed cases/parser.json
var parserJSON []byte

//go:embed cases/lifecycle.json
var lifecycleJSON []byte

var (
	parserCases    = sync.OnceValue(func() []ParserCase { return load[ParserCase, parserFile]("parser.json", parserJSON) })
	lifecycleCases = sync.OnceValue(func() []LifecycleCase { return load[LifecycleCase, lifecycleFile]("lifecycle.json", lifecycleJSON) })
)

// ParserCases returns the cases of cases/parser.json: streams and what a parser makes of them (WHATWG HTML 9.2.5 and
// 9.2.6). The caller must not change what the elements refer to.
func ParserCases() []ParserCase { return slices.Clone(parserCases()) }

// LifecycleCases returns the cases of cases/lifecycle.json: what servers do and how a client goes on
// (WHATWG HTML 9.2.2 to 9.2.4). The caller must not change what the elements refer to.
func LifecycleCases() []LifecycleCase { return slices.Clone(lifecycleCases()) }

// load reads one of the embedded files. That they are sound is tested, so a fault is a panic.
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

// caseEvent is an event as the files have it.
type caseEvent struct {
	Type      string `json:"type"`
	Data      string `json:"data"`
	DataParts parts  `json:"dataParts"`
	ID        string `json:"id"`
}

// parts is a long text written short: each element is repeated so many times.
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
