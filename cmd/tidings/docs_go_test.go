package main

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// surroundings are declarations that a fragment needs and its page does not show, by a line of the fragment.
var surroundings = map[string]string{
	"events := sse.ReadResponse(resp, nil)":        "var resp *http.Response",
	"events, err := eventlog.NewMemory(nil) // or": "var ctx context.Context\nfunc session(*http.Request) (user struct{ ID string }, err error) { return }",
	"policy := &access.Policy{":                    "var secret []byte\nvar events eventlog.Log",
	`client := &tidings.Client{URL: "localhost:`:   "var ctx context.Context",
}

const module = "github.com/tidings-sse/tidings"

// packagesOf are the packages that fragments may use without an import.
var packagesOf = []string{
	"bytes", "context", "errors", "fmt", "io", "log", "net/http", "os", "strings", "time",
	module, module + "/access", module + "/eventlog", module + "/eventlog/disklog", module + "/hub", module + "/sse", module + "/sse/ssetest",
}

// whole turns a fragment into a file that compiles if the fragment is correct.
func (f fragment) whole() string {
	if rest, ok := strings.CutPrefix(f.text, "package main\n"); ok { // which would be linked
		return fmt.Sprintf("package fragment\n//line %s:%d\n%s", f.page, f.line+1, rest)
	}
	var around strings.Builder
	for line, declarations := range surroundings {
		if strings.Contains(f.text, line) {
			around.WriteString(declarations + "\n")
		}
	}
	const head, tail = "package fragment\n", "return nil\n}\n"
	function := around.String() + "func _() error {\n" + fmt.Sprintf("//line %s:%d\n", f.page, f.line) + f.text
	file, err := parser.ParseFile(token.NewFileSet(), "", head+function+tail, parser.SkipObjectResolution)
	if err != nil {
		return head + function + tail // the compiler says it, too
	}
	return head + importsOf(file) + function + usesOf(file) + tail
}

// importsOf imports the packages whose names a file mentions.
func importsOf(file *ast.File) (imports string) {
	mentioned := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		if selector, ok := n.(*ast.SelectorExpr); ok {
			if name, ok := selector.X.(*ast.Ident); ok {
				mentioned[name.Name] = true
			}
		}
		return true
	})
	for _, path := range packagesOf {
		if mentioned[path[strings.LastIndexByte(path, '/')+1:]] {
			imports += fmt.Sprintf("import %q\n", path)
		}
	}
	return imports
}

// usesOf returns statements that use the variables of the last function, because a fragment may declare variables without using them.
func usesOf(file *ast.File) (uses string) {
	for _, statement := range file.Decls[len(file.Decls)-1].(*ast.FuncDecl).Body.List {
		if assign, ok := statement.(*ast.AssignStmt); ok && assign.Tok == token.DEFINE {
			for _, name := range assign.Lhs {
				uses += "_ = " + name.(*ast.Ident).Name + "\n"
			}
		}
	}
	return uses
}

// TestGoInTheDocumentationCompiles, in packages that exist only in an overlay for the go command.
func TestGoInTheDocumentationCompiles(t *testing.T) {
	root, temp := repository(t), t.TempDir()
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	args := []string{"build", "-overlay", filepath.Join(temp, "overlay.json")}
	for _, f := range fragments(t) {
		if f.language != "go" {
			continue
		}
		name := fmt.Sprintf("fragment%d", len(overlay.Replace))
		file := filepath.Join(temp, name+".go")
		if err := os.WriteFile(file, []byte(f.whole()), 0o600); err != nil {
			t.Fatal(err)
		}
		overlay.Replace[filepath.Join(root, "docs", name, name+".go")] = file
		args = append(args, "./docs/"+name)
	}
	if len(overlay.Replace) < 6 {
		t.Errorf("only %d fragments were found", len(overlay.Replace))
	}
	text, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(args[2], text, 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", args...)
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Errorf("go build: %v\n%s", err, out)
	}
}

// TestWrongGoInTheDocumentationIsFound shows that the test above can fail.
func TestWrongGoInTheDocumentationIsFound(t *testing.T) {
	for _, wrong := range []string{"fmt.Printn(1)\n", "package main\n\nfunc main() { x }\n", "package other\n", "return sse.Nothing\n", "for {\n"} {
		dir := t.TempDir()
		f := fragment{page: "x.md", line: 1, text: wrong}
		root := repository(t)
		file, overlay := filepath.Join(dir, "f.go"), filepath.Join(dir, "overlay.json")
		text := fmt.Sprintf(`{"Replace": {%q: %q}}`, filepath.Join(root, "docs", "wrong", "f.go"), file)
		for name, content := range map[string]string{file: f.whole(), overlay: text} {
			if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		build := exec.Command("go", "build", "-overlay", overlay, "./docs/wrong")
		build.Dir = root
		if out, err := build.CombinedOutput(); err == nil {
			t.Errorf("the wrong line %q is not an error: %s", wrong, out)
		}
	}
}
