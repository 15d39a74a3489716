package hub_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestTheNativeDialectUsesOnlyWhatOthersCanUse: of this package, native*.go use only what it exports. Files of the hub's own routes may use
// the native dialect, in which they answer.
func TestTheNativeDialectUsesOnlyWhatOthersCanUse(t *testing.T) {
	t.Parallel()
	files, used := resolve(t)
	isNative := func(pos token.Pos) bool {
		return strings.HasPrefix(filepath.Base(files.Position(pos).Filename), "native")
	}
	native := 0
	for ident, object := range used {
		if object.Pkg() == nil || object.Pkg().Path() != hubPath || !isNative(ident.Pos()) {
			continue
		}
		native++
		if !isNative(object.Pos()) && !object.Exported() {
			t.Errorf("%s: the native dialect uses %s, which package hub does not export", files.Position(ident.Pos()), object.Name())
		}
	}
	if native < 500 {
		t.Errorf("only %d uses were found", native)
	}
}

const hubPath = "github.com/tidings-sse/tidings/hub"

// resolve type-checks this package without its tests, and returns what each identifier in it stands for.
func resolve(t *testing.T) (*token.FileSet, map[*ast.Ident]types.Object) {
	t.Helper()
	out, err := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Export,GoFiles", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	exports := map[string]string{}
	var names []string
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			ImportPath, Export string
			GoFiles            []string
		}
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if exports[p.ImportPath] = p.Export; p.ImportPath == hubPath {
			names = p.GoFiles
		}
	}
	set := token.NewFileSet()
	var files []*ast.File
	for _, name := range names {
		file, err := parser.ParseFile(set, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	config := types.Config{Importer: importer.ForCompiler(set, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })}
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	if _, err := config.Check(hubPath, set, files, info); err != nil {
		t.Fatal(err)
	}
	return set, info.Uses
}
