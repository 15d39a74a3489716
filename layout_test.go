package tidings_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/version"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/tidings-sse/tidings"

// rules are the allowed imports of a package. They do not apply to its tests.
type rules struct {
	imports []string // packages of this module, by folder
	never   []string // forbidden import paths, with all paths below them
	std     bool     // only the standard library and this module
}

var everything = []string{"*"}

// layout is the table of ARCHITECTURE.md. Every package must be in it.
var layout = map[string]rules{
	".":                               {imports: []string{"sse", "internal/address", "internal/wire"}},
	"sse":                             {std: true},
	"sse/ssetest":                     {imports: []string{"sse"}, std: true},
	"internal/wire":                   {std: true, never: []string{"net/http"}},
	"internal/queue":                  {std: true},
	"internal/patterns":               {std: true},
	"internal/plain":                  {std: true},
	"eventlog":                        {imports: []string{"internal/queue", "internal/patterns"}, never: []string{"net/http"}},
	"eventlog/logtest":                {imports: []string{"eventlog"}},
	"eventlog/disklog":                {imports: []string{"eventlog", "eventlog/disklog/internal/guard"}},
	"eventlog/disklog/internal/guard": {},
	"eventlog/cluster":                {imports: []string{"eventlog", "internal/plain"}},
	"eventlog/cluster/natslog":        {imports: []string{"eventlog", "eventlog/cluster"}},
	"eventlog/cluster/natsnode":       {},
	"eventlog/cluster/ordertest":      {imports: []string{"eventlog", "eventlog/cluster"}},
	"eventlog/cluster/redislog":       {imports: []string{"eventlog", "eventlog/cluster"}},
	"access":                          {imports: []string{"eventlog"}, never: []string{"net/http"}},
	"hub":                             {imports: []string{"sse", "eventlog", "access", "internal/wire", "internal/plain", "hub/internal/fanout", "hub/internal/h2", "hub/internal/pathtopic", "hub/internal/peers", "hub/internal/presence", "hub/internal/socket"}, never: []string{"flag", "github.com/prometheus"}},
	"hub/internal/pathtopic":          {imports: []string{"eventlog"}, never: []string{"net/http"}},
	"hub/internal/peers":              {imports: []string{"access", "hub/internal/presence", "internal/wire"}},
	"hub/internal/presence":           {imports: []string{"internal/wire"}, never: []string{"net/http"}},
	"hub/internal/h2":                 {imports: []string{"hub/internal/socket"}},
	"hub/internal/socket":             {never: []string{"net/http"}},
	"hub/internal/blocks":             {never: []string{"net/http"}},
	"hub/internal/fanout":             {imports: []string{"eventlog", "internal/queue", "internal/patterns", "hub/internal/blocks", "hub/internal/socket"}, never: []string{"net/http"}},
	"hub/metrics":                     {imports: []string{"hub"}},
	"hub/internal/dialecttest":        {imports: []string{"hub", "eventlog", "access"}},
	"console":                         {},
	"js":                              {},
	"internal/acme":                   {},
	"internal/address":                {imports: []string{"internal/wire"}},
	"internal/blockcheck":             {std: true},
	"internal/cutproxy":               {std: true},
	"internal/load":                   {},
	"internal/conform":                {imports: []string{"sse", "sse/ssetest"}, std: true},
	"cmd/sseconform":                  {imports: []string{"internal/conform"}, std: true},
	"cmd/tidings":                     {imports: everything},
}

// pkg is the output of go list for a package.
type pkg struct {
	ImportPath string
	Doc        string
	Imports    []string
}

func (p pkg) folder() string {
	if p.ImportPath == module {
		return "."
	}
	return strings.TrimPrefix(p.ImportPath, module+"/")
}

// broken returns the rules that p breaks.
func (r rules) broken(p pkg) (faults []string) {
	for _, path := range p.Imports {
		ours := strings.HasPrefix(path+"/", module+"/")
		folder := strings.TrimPrefix(path, module+"/")
		switch {
		case ours && !slices.Contains(r.imports, "*") && !slices.Contains(r.imports, folder):
			faults = append(faults, fmt.Sprintf("%s imports %s, which layout does not allow", p.folder(), folder))
		case !ours && r.std && strings.Contains(strings.Split(path, "/")[0], "."):
			faults = append(faults, fmt.Sprintf("%s imports %s, but may use only the standard library", p.folder(), path))
		case slices.ContainsFunc(r.never, func(n string) bool { return strings.HasPrefix(path+"/", n+"/") }):
			faults = append(faults, fmt.Sprintf("%s imports %s, which is forbidden", p.folder(), path))
		}
	}
	if p.Doc == "" {
		faults = append(faults, p.folder()+" has no package comment")
	}
	return faults
}

func packages(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Doc,Imports", "./...").Output()
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			t.Fatalf("go list: %s", exit.Stderr)
		}
		t.Fatal(err)
	}
	var all []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func TestEveryPackageKeepsToItsImports(t *testing.T) {
	found := 0
	for _, p := range packages(t) {
		r, ok := layout[p.folder()]
		if !ok {
			t.Errorf("%s is not in layout: add it here and to ARCHITECTURE.md", p.folder())
			continue
		}
		found++
		for _, fault := range r.broken(p) {
			t.Error(fault)
		}
	}
	if found < 4 {
		t.Errorf("only %d packages were found", found)
	}
}

// TestForbiddenImportIsNoticed proves that the test above can fail.
func TestForbiddenImportIsNoticed(t *testing.T) {
	tests := map[string]struct {
		pkg    pkg
		faults int
	}{
		"fine":             {pkg{module + "/sse", "Package sse", []string{"net/http", "io"}}, 0},
		"outside std":      {pkg{module + "/sse", "Package sse", []string{"golang.org/x/net/http2"}}, 1},
		"ours not allowed": {pkg{module + "/sse", "Package sse", []string{module + "/hub"}}, 1},
		"the root":         {pkg{module + "/sse", "Package sse", []string{module}}, 1},
		"never":            {pkg{module + "/eventlog", "Package eventlog", []string{"net/http/httptest"}}, 1},
		"no comment":       {pkg{module + "/access", "", nil}, 1},
		"all at once":      {pkg{module + "/access", "", []string{"net/http", module + "/sse"}}, 3},
		"main may":         {pkg{module + "/cmd/tidings", "Command tidings", []string{module + "/hub"}}, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := layout[test.pkg.folder()].broken(test.pkg); len(got) != test.faults {
				t.Errorf("%d faults, want %d: %q", len(got), test.faults, got)
			}
		})
	}
}

func TestArchitectureNamesEveryPackage(t *testing.T) {
	text, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range packages(t) {
		if p.folder() != "." && !bytes.Contains(text, []byte("`"+p.folder()+"`")) {
			t.Errorf("ARCHITECTURE.md does not name `%s`", p.folder())
		}
	}
}

// TestHubLinksNoPrometheus: only programs that import hub/metrics link the Prometheus library.
func TestHubLinksNoPrometheus(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "./hub").Output()
	if err != nil {
		t.Fatal(err)
	}
	for path := range strings.Lines(string(out)) {
		if strings.HasPrefix(path, "github.com/prometheus/") || strings.HasPrefix(path, "google.golang.org/protobuf/") {
			t.Errorf("package hub links %s", path)
		}
	}
}

// TestOnlyTheCommandLinksOpenTelemetry: an embedder chooses its own way to trace.
func TestOnlyTheCommandLinksOpenTelemetry(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".", "./hub/...", "./eventlog/...", "./access").Output()
	if err != nil {
		t.Fatal(err)
	}
	for path := range strings.Lines(string(out)) {
		if strings.HasPrefix(path, "go.opentelemetry.io/") {
			t.Errorf("a library links %s", path)
		}
	}
}

func TestGoModNeedsNoNewerGoThanThis(t *testing.T) {
	for _, dir := range []string{".", "examples", "bench", "chaos", "deploy", "release", "internal/tools"} {
		text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err != nil {
			t.Fatal(err)
		}
		match := regexp.MustCompile(`(?m)^go (\S+)$`).FindSubmatch(text)
		if match == nil {
			t.Fatalf("%s/go.mod has no go line", dir)
		}
		if want := "go" + string(match[1]); version.Compare(want, runtime.Version()) > 0 {
			t.Errorf("%s/go.mod needs %s, and this is %s", dir, want, runtime.Version())
		}
	}
}

// The words are split so that the test does not find them in this file.
var unfinished = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b|t\.Sk` + `ip\(`)

// TestNoFileHasUnfinishedWork: unfinished work belongs in an issue.
func TestNoFileHasUnfinishedWork(t *testing.T) {
	machine, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	machine += string(filepath.Separator)
	files := 0
	err = filepath.WalkDir(".", func(path string, d os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{".git", "node_modules", "test-results"}, d.Name()):
			return filepath.SkipDir
		case d.IsDir() || !slices.Contains([]string{".go", ".js", ".html", ".css", ".md", ".yml", ".sh", ""}, filepath.Ext(path)):
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		if found := unfinished.Find(text); found != nil {
			t.Errorf("%s has %q", path, found)
		}
		// A path of one folder, such as /builds/, may mean something else.
		if strings.Count(machine, string(filepath.Separator)) > 2 && bytes.Contains(text, []byte(machine)) {
			t.Errorf("%s names a path of this machine", path)
		}
		return nil
	})
	if err != nil || files < 50 {
		t.Errorf("%d files were read, %v", files, err)
	}
}
