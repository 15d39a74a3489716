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

// room is what a package may do. Tests are guests and may import what they like.
type room struct {
	imports []string // packages of ours, by folder; those in tests do not count
	never   []string // import paths, and all below them
	std     bool     // nothing outside the standard library and ours
}

var everything = []string{"*"}

// house is the table of ARCHITECTURE.md, the planned rooms included: a package that is not in it does not belong.
var house = map[string]room{
	".":                         {imports: []string{"sse", "internal/address", "internal/wire"}},
	"sse":                       {std: true},
	"sse/ssetest":               {imports: []string{"sse"}, std: true},
	"internal/wire":             {std: true, never: []string{"net/http"}},
	"internal/queue":            {std: true},
	"internal/patterns":         {std: true},
	"eventlog":                  {imports: []string{"internal/queue", "internal/patterns"}, never: []string{"net/http"}},
	"eventlog/logtest":          {imports: []string{"eventlog"}},
	"eventlog/disklog":          {imports: []string{"eventlog"}},
	"eventlog/cluster":          {imports: []string{"eventlog"}},
	"eventlog/cluster/natslog":  {imports: []string{"eventlog", "eventlog/cluster"}},
	"eventlog/cluster/redislog": {imports: []string{"eventlog", "eventlog/cluster"}},
	"access":                    {imports: []string{"eventlog"}, never: []string{"net/http"}},
	"hub":                       {imports: []string{"sse", "eventlog", "access", "internal/wire", "internal/queue", "internal/patterns", "hub/internal/pathtopic"}, never: []string{"flag"}},
	"hub/internal/pathtopic":    {imports: []string{"eventlog"}, never: []string{"net/http"}},
	"console":                   {},
	"js":                        {},
	"internal/address":          {imports: []string{"internal/wire"}},
	"internal/blockcheck":       {std: true},
	"internal/load":             {},
	"cmd/tidings":               {imports: everything},
}

// pkg is what go list tells of a package.
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

// broken returns what p does that its room does not allow.
func (r room) broken(p pkg) (faults []string) {
	for _, path := range p.Imports {
		ours := strings.HasPrefix(path+"/", module+"/")
		folder := strings.TrimPrefix(path, module+"/")
		switch {
		case ours && !slices.Contains(r.imports, "*") && !slices.Contains(r.imports, folder):
			faults = append(faults, fmt.Sprintf("%s imports %s, which its room does not allow", p.folder(), folder))
		case !ours && r.std && strings.Contains(strings.Split(path, "/")[0], "."):
			faults = append(faults, fmt.Sprintf("%s imports %s, but may use the standard library only", p.folder(), path))
		case slices.ContainsFunc(r.never, func(n string) bool { return strings.HasPrefix(path+"/", n+"/") }):
			faults = append(faults, fmt.Sprintf("%s imports %s, which it never shall", p.folder(), path))
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

func TestEveryPackageKeepsToItsRoom(t *testing.T) {
	found := 0
	for _, p := range packages(t) {
		r, ok := house[p.folder()]
		if !ok {
			t.Errorf("%s is no room of the house: add it to the table here and in ARCHITECTURE.md, or do without", p.folder())
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

// TestABrokenRoomIsNoticed keeps the test above from passing for want of eyes.
func TestABrokenRoomIsNoticed(t *testing.T) {
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
			if got := house[test.pkg.folder()].broken(test.pkg); len(got) != test.faults {
				t.Errorf("%d faults, want %d: %q", len(got), test.faults, got)
			}
		})
	}
}

// TestTheHouseIsTold: a table that a reader cannot find is none.
func TestTheHouseIsTold(t *testing.T) {
	text, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range packages(t) {
		if p.folder() != "." && !bytes.Contains(text, []byte("`"+p.folder()+"`")) {
			t.Errorf("ARCHITECTURE.md says nothing of %s", p.folder())
		}
	}
}

func TestGoModAsksForNoNewerGoThanThis(t *testing.T) {
	for _, dir := range []string{".", "examples", "bench", "internal/tools"} {
		text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err != nil {
			t.Fatal(err)
		}
		match := regexp.MustCompile(`(?m)^go (\S+)$`).FindSubmatch(text)
		if match == nil {
			t.Fatalf("%s/go.mod names no version of Go", dir)
		}
		if want := "go" + string(match[1]); version.Compare(want, runtime.Version()) > 0 {
			t.Errorf("%s/go.mod asks for %s, this is %s", dir, want, runtime.Version())
		}
	}
}

// The words are in two parts so that this file does not find itself.
var unfinished = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b|t\.Sk` + `ip\(`)

// TestNothingIsLeftUnfinishedInAFile: what is left to do stands in an issue, where somebody finds it.
func TestNothingIsLeftUnfinishedInAFile(t *testing.T) {
	machine, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	machine = filepath.Dir(machine) + string(filepath.Separator)
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
		if len(machine) > 2 && bytes.Contains(text, []byte(machine)) {
			t.Errorf("%s names a path of this machine", path)
		}
		return nil
	})
	if err != nil || files < 50 {
		t.Errorf("%d files were looked at, %v", files, err)
	}
}
