package tidings_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestServersThatOthersKnowListenOnAddressesOfCutproxy: a test asked the system for a free port and closed it, and a connection, or a server of another
// test, got that port before the server of the test. Examples do so for their users; their tests do not.
func TestServersThatOthersKnowListenOnAddressesOfCutproxy(t *testing.T) {
	files := 0
	err := filepath.WalkDir(".", func(path string, d os.DirEntry, err error) error {
		test := strings.HasSuffix(path, "_test.go")
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{".git", "node_modules", "testdata"}, d.Name()):
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(path) != ".go" || strings.HasPrefix(path, "examples") && !test:
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		for _, name := range closesFreePorts(t, text) {
			t.Errorf("%s: %s closes a listener on port 0 and uses its address; use cutproxy.FreeAddress", path, name)
		}
		return nil
	})
	if err != nil || files < 50 {
		t.Errorf("%d files were read, %v", files, err)
	}
}

// TestFreePortThatIsClosedIsNoticed proves that the test above can fail.
func TestFreePortThatIsClosedIsNoticed(t *testing.T) {
	const listens = `l, err := net.Listen("tcp", "127.0.0.1:0"); `
	for name, test := range map[string]struct {
		function string
		closes   bool
	}{
		"returned":            {`func f() (string, error) { ` + listens + `return l.Addr().String(), l.Close() }`, true},
		"closed later":        {`func f() string { ` + listens + `defer l.Close(); return l.Addr().String() }`, true},
		"in a closure":        {`func f() (all []string) { for range 3 { ` + listens + `defer func() { _ = l.Close() }(); all = append(all, l.Addr().String()) }; return all }`, true},
		"used at once":        {`func f() { ` + listens + `addr := l.Addr().String(); if err := l.Close(); err != nil { panic(err) }; serve(addr) }`, true},
		"joined":              {`func f(host string) string { l, err := net.Listen("tcp", net.JoinHostPort(host, "0")); defer l.Close(); return l.Addr().String() }`, true},
		"in use meanwhile":    {`func f(t *testing.T) { ` + listens + `defer l.Close(); refuses(l.Addr().String()) }`, false},
		"until the test ends": {`func f(t *testing.T) string { ` + listens + `t.Cleanup(func() { l.Close() }); return l.Addr().String() }`, false},
		"accepts":             {`func f() string { ` + listens + `go accept(l); defer l.Close(); return l.Addr().String() }`, false},
		"another port":        {`func f() string { l, err := net.Listen("tcp", "127.0.0.1:80"); l.Close(); return l.Addr().String() }`, false},
	} {
		if got := closesFreePorts(t, []byte("package p\n"+test.function)); (len(got) > 0) != test.closes {
			t.Errorf("%s: found %q", name, got)
		}
	}
}

// closesFreePorts returns the functions of a file that open a listener on port 0 for its address alone: they close it before others use that.
func closesFreePorts(t *testing.T, text []byte) (names []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "", text, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Body == nil {
			continue
		}
		for name := range portsOfTheSystem(f.Body) {
			if u := usesOf(name, f.Body); !u.serves && (u.closes || u.defers && f.Type.Results != nil) {
				names = append(names, f.Name.Name)
			}
		}
	}
	return names
}

// portsOfTheSystem returns the variables that get a listener on port 0.
func portsOfTheSystem(body *ast.BlockStmt) map[string]bool {
	names := map[string]bool{}
	ast.Inspect(body, func(n ast.Node) bool {
		if set, ok := n.(*ast.AssignStmt); ok && len(set.Rhs) == 1 && listensOnZero(set.Rhs[0]) {
			if variable, ok := set.Lhs[0].(*ast.Ident); ok {
				names[variable.Name] = true
			}
		}
		return true
	})
	return names
}

// listensOnZero reports whether an expression is a call such as net.Listen("tcp", "localhost:0").
func listensOnZero(e ast.Expr) bool {
	call, ok := e.(*ast.CallExpr)
	if !ok {
		return false
	}
	if f, ok := call.Fun.(*ast.SelectorExpr); !ok || !strings.HasPrefix(f.Sel.Name, "Listen") {
		return false
	}
	zero := false
	ast.Inspect(call, func(n ast.Node) bool {
		text, ok := n.(*ast.BasicLit)
		zero = zero || ok && (text.Value == `"0"` || strings.HasSuffix(text.Value, `:0"`))
		return true
	})
	return zero
}

// uses is what a function does with a listener. A closure that it passes on, as to t.Cleanup, runs later.
type uses struct{ closes, defers, serves bool }

func usesOf(name string, body *ast.BlockStmt) (u uses) {
	var look func(n ast.Node, closed *bool)
	look = func(n ast.Node, closed *bool) {
		ast.Inspect(n, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.DeferStmt:
				if f, ok := n.Call.Fun.(*ast.FuncLit); ok {
					look(f.Body, &u.defers)
				} else {
					look(n.Call, &u.defers)
				}
				return false
			case *ast.FuncLit:
				look(n.Body, new(bool))
				return false
			case *ast.SelectorExpr: // l.Addr, and l.Close
				if of, ok := n.X.(*ast.Ident); !ok || of.Name != name || n.Sel.Name != "Close" && n.Sel.Name != "Addr" {
					return true
				}
				*closed = *closed || n.Sel.Name == "Close"
				return false
			case *ast.AssignStmt:
				if len(n.Rhs) == 1 && listensOnZero(n.Rhs[0]) {
					return false
				}
			case *ast.Ident:
				u.serves = u.serves || n.Name == name
			}
			return true
		})
	}
	look(body, &u.closes)
	return u
}
