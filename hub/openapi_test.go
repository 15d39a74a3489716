package hub_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
	"github.com/tidings-sse/tidings/internal/wire"
	"github.com/tidings-sse/tidings/sse"
)

// TestTheContractHasAllRoutes and no others.
func TestTheContractHasAllRoutes(t *testing.T) {
	t.Parallel()
	c := mustContract(t)
	want := map[string][]string{}
	for path, methods := range hub.Routes() {
		path = templated(path)
		want[path] = append(methods, http.MethodOptions)
	}
	got := map[string][]string{}
	for path := range c.at("paths").members() {
		for method := range c.at("paths", path).members() {
			if method != "parameters" {
				got[path] = append(got[path], strings.ToUpper(method))
			}
		}
	}
	for _, all := range []map[string][]string{want, got} {
		for _, methods := range all {
			slices.Sort(methods)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("routes.go (-) and openapi.yaml (+) differ:\n%s", diff)
	}
}

// TestTheContractHasAllProblems and no others. The same holds for docs/protocol.md.
func TestTheContractHasAllProblems(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	var got []wire.ProblemType
	for _, row := range mustContract(t).at("components", "schemas", "Problem", "anyOf").value.([]any) {
		says := row.(map[string]any)["properties"].(map[string]any)
		constant := func(name string) string { return fmt.Sprint(says[name].(map[string]any)["const"]) }
		status, err := strconv.Atoi(constant("status"))
		if err != nil {
			t.Fatal(err)
		}
		p := wire.ProblemType{Name: wire.ParseProblemName(constant("type")), Status: status, Title: constant("title")}
		if got = append(got, p); p.Name.URI() != constant("type") {
			t.Errorf("openapi.yaml has the type %s", constant("type"))
		}
		if row := fmt.Sprintf("| %d | `%s` |", p.Status, p.Name); !strings.Contains(string(page), row) {
			t.Errorf("docs/protocol.md does not have %s", row)
		}
	}
	if diff := cmp.Diff(wire.Problems(), got); diff != "" {
		t.Errorf("package wire (-) and openapi.yaml (+) differ:\n%s", diff)
	}
}

// TestTheContractUsesTheNamesOfPackageWire, which clients use to read responses.
func TestTheContractUsesTheNamesOfPackageWire(t *testing.T) {
	t.Parallel()
	c := mustContract(t)
	schemas := c.at("components", "schemas")
	members := func(name string) []string {
		return slices.Sorted(maps.Keys(schemas.at(name).at("properties").members()))
	}
	texts := func(p part) (all []string) {
		for _, value := range p.value.([]any) {
			all = append(all, value.(string))
		}
		return sorted(all)
	}
	var controls []string
	for _, kind := range schemas.at("ControlEnvelope").at("oneOf").value.([]any) {
		controls = append(controls, kind.(map[string]any)["properties"].(map[string]any)["type"].(map[string]any)["const"].(string))
	}
	var params []string
	for path, operations := range c.at("paths").members() {
		for method := range operations.(map[string]any) {
			params = append(params, queryNames(c, c.at("paths", path, method))...)
		}
	}
	slices.Sort(params)
	topic := "a"
	line := wire.Line{Topic: &topic, Topics: []string{"a"}, Type: "t", Key: "k", End: true}
	line.SetContent("x", true)
	envelope := wire.Envelope{ID: "abcde-1", Topic: "a", Topics: []string{"a"}}
	names := c.at("components", "parameters")
	for what, both := range map[string][2][]string{
		"control events":       {sorted(wire.Controls()), sorted(controls)},
		"reasons of a gap":     {sorted(wire.GapReasons()), texts(schemas.at("Gap").at("properties").at("reason").at("enum"))},
		"encodings":            {sorted([]string{wire.UTF8, wire.Base64}), texts(schemas.at("Encoding").at("enum"))},
		"formats":              {sorted([]string{wire.FormatPlain, wire.FormatEnvelope}), texts(names.at("format").at("schema").at("enum"))},
		"answers to a gap":     {sorted([]string{wire.OnGapTell, wire.OnGapFail}), texts(names.at("on_gap").at("schema").at("enum"))},
		"parameters":           {sorted(wire.Params()), slices.Compact(params)},
		"members of a line":    {sorted(append(membersOf(t, line.Append(nil)), "id", "time")), members("Line")},
		"members of an event":  {membersOf(t, envelope.Append(nil)), members("Envelope")},
		"members of a gap":     {membersOf(t, []byte(wire.Gap{}.Data())), members("Gap")},
		"members of an end":    {membersOf(t, []byte(wire.End{}.Data())), members("End")},
		"members of a warning": {membersOf(t, []byte(wire.Expiring{}.Data())), members("Expiring")},
	} {
		if diff := cmp.Diff(both[0], both[1]); diff != "" {
			t.Errorf("%s: package wire (-) and openapi.yaml (+) differ:\n%s", what, diff)
		}
	}
	for _, reason := range []eventlog.Reason{eventlog.Trimmed, eventlog.Reset, eventlog.Rollback, eventlog.Corrupt} {
		if !slices.Contains(wire.GapReasons(), string(reason)) {
			t.Errorf("package wire does not have the reason %s of package eventlog", reason)
		}
	}
	if wire.DefaultType != sse.DefaultType {
		t.Errorf("packages wire and sse have the default types %q and %q", wire.DefaultType, sse.DefaultType)
	}
}

// membersOf returns the names in a JSON object.
func membersOf(t *testing.T, object []byte) []string {
	t.Helper()
	var all map[string]any
	if err := json.Unmarshal(object, &all); err != nil {
		t.Fatal(err)
	}
	return slices.Sorted(maps.Keys(all))
}

// TestTheContractHasAllParameters and no others. The refusal of an unknown parameter lists the known ones.
func TestTheContractHasAllParameters(t *testing.T) {
	t.Parallel()
	s := serve(t, mustMemory(t, nil), nil, transports[0])
	c := mustContract(t)
	form := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	for path, methods := range hub.Routes() {
		path = templated(path)
		for _, method := range methods {
			if method == http.MethodHead { // HEAD has the parameters of GET
				continue
			}
			a := s.send(request{method: method, path: strings.NewReplacer("{topic}", "news", "{profile}", "heap", "{id}", "1").Replace(path) + "?nonsense=1", header: form})
			_, list, ok := strings.Cut(strings.TrimRight(detailOf(t, a), "."), "known parameters: ")
			if a.status != http.StatusBadRequest || !ok {
				t.Errorf("%s %s: %+v", method, path, a)
			}
			var reads []string
			if list != "none" {
				reads = strings.Split(list, ", ")
			}
			operation := c.at("paths", path, strings.ToLower(method))
			if diff := cmp.Diff(sorted(reads), sorted(queryNames(c, operation))); diff != "" {
				t.Errorf("the parameters that %s %s reads (-) and openapi.yaml (+) differ:\n%s", method, path, diff)
			}
			fields := operation.at("requestBody").at("content").at(form["Content-Type"]).at("schema").at("properties").members()
			if method == "QUERY" && !slices.Equal(sorted(reads), slices.Sorted(maps.Keys(fields))) {
				t.Errorf("the form of QUERY %s has other parameters than %q", path, reads)
			}
		}
	}
}

// detailOf returns the detail of a problem.
func detailOf(t *testing.T, a answer) string {
	t.Helper()
	var p struct{ Detail string }
	if err := json.Unmarshal([]byte(a.body), &p); err != nil {
		t.Errorf("%+v: %v", a, err)
	}
	return p.Detail
}

// queryNames returns the names of an operation's parameters in the query.
func queryNames(c *contract, operation part) (names []string) {
	list, _ := operation.at("parameters").value.([]any)
	for _, parameter := range list {
		p := part{c, "", map[string]any{"it": parameter}}.at("it").members()
		if p["in"] == "query" {
			names = append(names, p["name"].(string))
		}
	}
	return names
}

func sorted(names []string) []string { return slices.Sorted(slices.Values(names)) }

// TestLinesMatchTheContract: the hub accepts exactly the lines that the schema accepts.
func TestLinesMatchTheContract(t *testing.T) {
	t.Parallel()
	s := serve(t, mustMemory(t, nil), nil, transports[0])
	schema := mustContract(t).at("components", "schemas", "Line")
	for line, good := range map[string]bool{
		`{}`:         false,
		`{"data":1}`: true,
		`{"data":{"a":[null]},"type":"t","topic":"a","encoding":"utf-8"}`:                        true,
		`{"id":"k3f9a-1","time":"2026-01-01T00:00:00Z","topics":["a","b"],"data":"x","key":"k"}`: true,
		`{"data":"AP8=","encoding":"base64"}`:                                                    true,
		`{"topic":"ended","end":true}`:                                                           true,
		`{"topic":"https://example.com/books/1","data":""}`:                                      true,
		`{"topic":"a*b","data":""}`:                                                              true,
		`{"data":"","key":"` + strings.Repeat("k", 255) + `"}`:                                   true,
		`{"topic":"","data":1}`:                                                                  false,
		`{"dat":1}`:                                                                              false,
		`[]`:                                                                                     false,
		`7`:                                                                                      false,
		`{"end":1,"data":1}`:                                                                     false,
		`{"type":7,"data":1}`:                                                                    false,
		`{"type":"tidings.end","data":1}`:                                                        false,
		`{"type":"a\nb","data":1}`:                                                               false,
		`{"data":1,"type":"` + strings.Repeat("t", 1025) + `"}`:                                  false,
		`{"topic":"a/*","data":1}`:                                                               false,
		`{"topic":"**","data":1}`:                                                                false,
		`{"topic":"$own","data":1}`:                                                              false,
		`{"topic":"a\u200bb","data":1}`:                                                          false,
		`{"data":1,"topic":"` + strings.Repeat("t", 1025) + `"}`:                                 false,
		`{"topics":[""],"data":1}`:                                                               false,
		`{"topics":["a","a"],"data":1}`:                                                          false,
		`{"topics":"a","data":1}`:                                                                false,
		`{"data":"!","encoding":"base64"}`:                                                       false,
		`{"data":7,"encoding":"base64"}`:                                                         false,
		`{"encoding":"hex","data":1}`:                                                            false,
		`{"key":"a b","data":1}`:                                                                 false,
		`{"data":1,"key":"` + strings.Repeat("k", 256) + `"}`:                                    false,
	} {
		err := schema.validateJSON(line)
		a := s.send(request{path: "/events/news", body: line, header: map[string]string{"Content-Type": "application/x-ndjson"}})
		if (err == nil) != good || (a.status == http.StatusOK) != good {
			t.Errorf("%.80s is good: %v; the schema says %v, and the hub %d %s", line, good, err, a.status, a.body)
		}
	}
}

// TestControlEventsMatchTheContract in all formats. This test causes each control event; the transport of the tests checks them.
func TestControlEventsMatchTheContract(t *testing.T) {
	t.Parallel()
	log := mustMemory(t, &eventlog.MemoryOptions{Retention: &eventlog.Retention{Events: 2}})
	s := serve(t, log, &hub.Options{Window: 1}, transports[0])
	begin := log.Head().Gen + "-0"
	for range 5 {
		s.post("news", "x")
	}
	s.hubPublish(hub.Event{Topics: []string{"news"}, Data: "\xff", Binary: true, End: true})
	for _, accept := range []string{"text/event-stream", "application/x-ndjson"} {
		for _, from := range []string{begin, "nonsense"} {
			a := s.send(request{path: "/events/news?since=earliest", header: map[string]string{"Accept": accept, "Last-Event-ID": from}})
			for _, typ := range []string{"tidings.gap", "tidings.checkpoint", "tidings.end"} {
				if a.status != http.StatusOK || !strings.Contains(a.body, typ) {
					t.Errorf("%s from %s has no %s: %+v", accept, from, typ, a)
				}
			}
		}
	}
	if err := s.hub.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, accept := range []string{"text/event-stream", "application/x-ndjson"} {
		a := s.send(request{path: "/events/other", header: map[string]string{"Accept": accept, "Last-Event-ID": begin}})
		if a.status != http.StatusOK || !strings.Contains(a.body, "tidings.retry") {
			t.Errorf("%s: %+v", accept, a)
		}
	}
}

// TestContractCheckFindsMistakes: the check must report each of these mistakes.
func TestContractCheckFindsMistakes(t *testing.T) {
	t.Parallel()
	c := mustContract(t)
	if c.response("GET", "/events", 418).value != nil || c.response("DELETE", "/events", 200).value != nil || c.response("GET", "/other", 200).value != nil {
		t.Error("the contract claims answers that it does not have")
	}
	stream := c.response("GET", "/events/a", 200)
	good := http.Header{
		"Cache-Control": {"no-cache, no-store, no-transform"}, "X-Accel-Buffering": {"no"}, "Vary": {"Origin, Accept"},
	}
	if err := stream.checkHeader(good); err != nil {
		t.Error(err)
	}
	for name, value := range map[string]string{"Cache-Control": "no-store", "X-Accel-Buffering": "", "Vary": "Origin", "X-Other": "1"} {
		header := good.Clone()
		if header.Set(name, value); value == "" {
			header.Del(name)
		}
		if stream.checkHeader(header) == nil {
			t.Errorf("the check accepts %s: %q", name, value)
		}
	}
	refused := c.response("POST", "/events", 409)
	const end = `{"type":"urn:tidings:problem:ended","title":"The topic has ended","status":409,"detail":"x","topic":"a","end":"k3f9a-1"}`
	if err := refused.checkBody("POST", "application/problem+json", end); err != nil {
		t.Error(err)
	}
	const stopped = "event: tidings.gap\ndata: {\"reason\":\"trimmed\",\"from\":\"k3f9a-1\",\"to\":\"k3f9a-2\"}\n\n"
	if err := stream.checkBody("GET", "text/event-stream", ":\n"+stopped+"event: tidings.checkpoint\nretry: 2000\ndata: {}\nid: k3f9a-2\n\n:\n"); err != nil {
		t.Error(err)
	}
	for _, bad := range []struct {
		says       part
		kind, text string
	}{
		{refused, "application/json", end},
		{refused, "application/problem+json", strings.Replace(end, ":ended", ":over", 1)},
		{refused, "application/problem+json", strings.Replace(end, "409", "410", 1)},
		{refused, "application/problem+json", strings.Replace(end, "topic", "subject", 1)},
		{refused, "application/problem+json", strings.Replace(end, "k3f9a-1", "k3f9a-01", 1)},
		{c.response("GET", "/events", 204), "", "x"},
		{stream, "text/event-stream", strings.Replace(stopped, "trimmed", "tired", 1)},
		{stream, "text/event-stream", "id: k3f9a-1\n" + stopped},
		{stream, "text/event-stream", "event: tidings.other\nid: k3f9a-1\ndata: x\n\n"},
		{stream, "text/event-stream", "data: x\n\n"},
		{stream, "text/event-stream", "retry: 2000\n\n" + stopped},
		{stream, "text/event-stream", "retry: 2000\n" + stopped},
		{stream, "text/event-stream", "event: tidings.checkpoint\ndata:\nid: k3f9a-2\n\n"},
		{stream, "text/event-stream", ":\n\n" + stopped},
		{stream, "application/x-ndjson", "{\"type\":\"message\"}\n"},
	} {
		if bad.says.checkBody("GET", bad.kind, bad.text) == nil {
			t.Errorf("the check accepts %s: %s", bad.kind, bad.text)
		}
	}
}
