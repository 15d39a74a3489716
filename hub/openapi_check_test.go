package hub_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"github.com/tidings-sse/tidings/hub"
	"github.com/tidings-sse/tidings/internal/blockcheck"
)

// contract is openapi.yaml. The transport of the tests compares every response with it.
type contract struct {
	doc map[string]any

	mu       sync.Mutex // guards the following
	compiler *jsonschema.Compiler
}

var openapi = sync.OnceValues(func() (*contract, error) {
	text, err := os.ReadFile("openapi.yaml")
	if err != nil {
		return nil, err
	}
	var doc map[string]any
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	asJSON, err := json.Marshal(doc) // the compiler reads JSON with its own decoder
	if err != nil {
		return nil, err
	}
	read, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		return nil, err
	}
	doc = read.(map[string]any)
	closeObjects(doc)
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	compiler.AssertContent()
	return &contract{doc: doc, compiler: compiler}, compiler.AddResource("openapi.yaml", doc)
})

// closeObjects makes the named schemas refuse unknown members. The published contract lets clients ignore them, because later versions may
// add some. In this version an unknown member is a mistake.
func closeObjects(doc map[string]any) {
	for _, schema := range doc["components"].(map[string]any)["schemas"].(map[string]any) {
		if s := schema.(map[string]any); s["type"] == "object" {
			s["unevaluatedProperties"] = false
		}
	}
}

func mustContract(t testing.TB) *contract {
	t.Helper()
	c, err := openapi()
	if err != nil {
		t.Fatal("openapi.yaml: ", err)
	}
	return c
}

// part is a value in the contract, with its place as a JSON pointer.
type part struct {
	c     *contract
	place string
	value any
}

// at returns the part under a path of names, following references. Its value is nil if there is none.
func (c *contract) at(names ...string) part {
	p := part{c, "", c.doc}
	for _, name := range names {
		p = p.at(name)
	}
	return p
}

func (p part) at(name string) part {
	next := part{p.c, p.place + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name), p.members()[name]}
	if ref, ok := next.members()["$ref"].(string); ok && len(next.members()) == 1 {
		return p.c.at(strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
	}
	return next
}

// members returns the members of an object, none for other values.
func (p part) members() map[string]any {
	m, _ := p.value.(map[string]any)
	return m
}

// validate checks a value against the schema p.
func (p part) validate(value any) error {
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	schema, err := p.c.compiler.Compile("openapi.yaml#" + p.place)
	if err != nil {
		return err
	}
	return schema.Validate(value)
}

func (p part) validateJSON(text string) error {
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return fmt.Errorf("%w in %q", err, text)
	}
	if err := p.validate(value); err != nil {
		return fmt.Errorf("%w in %s", err, text)
	}
	return nil
}

// pathOf returns the path in the contract that matches a request, "" if there is none.
func pathOf(escaped string) string {
	for path := range hub.Routes() {
		if escaped == path || strings.HasSuffix(path, "/") && strings.HasPrefix(escaped, path) {
			return templated(path)
		}
	}
	return ""
}

// templated returns a route in the form of the contract.
func templated(route string) string {
	switch {
	case route == "/debug/pprof/":
		return route + "{profile}"
	case route == "/api/v1/cluster/hubs/":
		return route + "{name}"
	case route == "/api/v1/subscribers/":
		return route + "{id}"
	case strings.HasSuffix(route, "/"):
		return route + "{topic}"
	}
	return route
}

// response returns the response in the contract.
func (c *contract) response(method, escapedPath string, status int) part {
	path := c.at("paths").at(pathOf(escapedPath))
	operation := path.at(strings.ToLower(method))
	if method != strings.ToUpper(method) { // it is another one: methods have a case
		operation.value = nil
	}
	switch {
	case path.value == nil && status == http.StatusNotFound:
		return c.at("components", "responses", "NotFound")
	case path.value != nil && operation.value == nil && status == http.StatusMethodNotAllowed:
		return c.at("components", "responses", "MethodNotAllowed")
	}
	return operation.at("responses").at(strconv.Itoa(status))
}

// checkBlocks checks with package blockcheck that an event stream is safe for clients that do not follow the standard.
func checkBlocks(t testing.TB, what string, resp *http.Response) {
	if resp.Header.Get("Content-Type") == "text/event-stream" {
		resp.Body = blockcheck.Body(resp.Body, func(fault error) { t.Errorf("%s: %v", what, fault) })
	}
}

// checked is a transport that checks every response against the contract, and every stream with package blockcheck.
type checked struct {
	*http.Transport
	t testing.TB
}

func (c checked) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := c.Transport.RoundTrip(r)
	if err != nil {
		return resp, err
	}
	what := fmt.Sprintf("%s %s answers %s, and openapi.yaml", r.Method, r.URL.RequestURI(), resp.Status)
	says := mustContract(c.t).response(r.Method, r.URL.EscapedPath(), resp.StatusCode)
	if says.value == nil {
		c.t.Errorf("%s has no such answer", what)
		return resp, nil
	}
	if err := says.checkHeader(resp.Header); err != nil {
		c.t.Errorf("%s: %v", what, err)
	}
	if resp.Header.Get("Content-Encoding") != "" { // a test has asked for it, and decodes it
		return resp, nil
	}
	checkBlocks(c.t, r.URL.RequestURI(), resp)
	resp.Body = &checkedBody{ReadCloser: resp.Body, check: func(text string) {
		if err := says.checkBody(r.Method, resp.Header.Get("Content-Type"), text); err != nil {
			c.t.Errorf("%s: %v", what, err)
		}
	}}
	return resp, nil
}

// transportFields are the header fields that belong to HTTP and not to the hub.
var transportFields = map[string]bool{"Date": true, "Content-Length": true, "Content-Type": true, "Connection": true}

// checkHeader finds header fields that are unknown, missing, or have a wrong value.
func (p part) checkHeader(header http.Header) error {
	var errs []error
	known := maps.Clone(transportFields)
	says := p.at("headers")
	for name := range says.members() {
		known[http.CanonicalHeaderKey(name)] = true
		errs = append(errs, says.at(name).checkField(name, header.Values(name)))
	}
	for name := range header {
		if !known[name] {
			errs = append(errs, fmt.Errorf("the contract does not have the field %s", name))
		}
	}
	return errors.Join(errs...)
}

func (p part) checkField(name string, values []string) error {
	switch {
	case len(values) == 0 && p.members()["required"] == true:
		return fmt.Errorf("the answer lacks the field %s", name)
	case len(values) == 0:
		return nil
	case len(values) > 1:
		return fmt.Errorf("the answer has the field %s %d times", name, len(values))
	}
	var value any = values[0]
	if _, err := strconv.Atoi(values[0]); err == nil {
		value = json.Number(values[0])
	}
	if err := p.at("schema").validate(value); err != nil {
		return fmt.Errorf("the field %s: %w", name, err)
	}
	return nil
}

// checkBody checks a complete body against the schema of its media type.
func (p part) checkBody(method, contentType, text string) error {
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil && contentType != "" {
		return err
	}
	content := p.at("content")
	says := content.at(kind)
	switch {
	case says.value == nil && (len(content.members()) > 0 || kind != ""):
		return fmt.Errorf("the contract does not have the type %q", contentType)
	case says.value == nil || method == http.MethodHead:
		if text != "" {
			return fmt.Errorf("the answer should have no body, and has %q", text)
		}
		return nil
	case kind == "text/event-stream":
		return says.at("itemSchema").checkStream(text)
	case kind == "application/x-ndjson":
		return says.at("itemSchema").checkLines(text)
	}
	if says.at("schema").value == nil { // not JSON
		return nil
	}
	return says.at("schema").validateJSON(text)
}

// checkLines checks all lines that are not empty.
func (p part) checkLines(text string) error {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if err := p.validateJSON(line); err != nil {
			return err
		}
	}
	return nil
}

// checkStream checks each event in its form on the wire; a decoder would repeat the id of the event before. The bytes after the last blank
// line are comments, or an incomplete block.
func (p part) checkStream(text string) error {
	blocks := strings.SplitAfter(text, "\n\n")
	for _, block := range blocks[:len(blocks)-1] {
		event := map[string]any{}
		for line := range strings.SplitSeq(strings.TrimSuffix(block, "\n\n"), "\n") {
			name, value, _ := strings.Cut(line, ":")
			if name == "" {
				continue // a comment
			}
			value = strings.TrimPrefix(value, " ")
			if before, ok := event[name].(string); ok && name == "data" {
				value = before + "\n" + value
			}
			if event[name] = value; name == "retry" {
				event[name] = json.Number(value)
			}
		}
		if err := p.validate(event); err != nil {
			return fmt.Errorf("%w in %q", err, block)
		}
	}
	return nil
}

// checkedBody is a body that is checked at its end. Very long bodies are not checked.
type checkedBody struct {
	io.ReadCloser
	text  strings.Builder
	check func(text string)
}

const longBody = 1 << 20

func (b *checkedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.text.Len() <= longBody {
		b.text.Write(p[:n])
	}
	if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && b.text.Len() <= longBody && b.check != nil {
		b.check(b.text.String())
		b.check = nil
	}
	return n, err
}
