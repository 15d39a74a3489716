package main

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"
)

// target is a system that binaries are built for.
type target struct{ os, arch string }

func (t target) String() string { return t.os + "_" + t.arch }

// program is the name of the binary.
func (t target) program() string {
	if t.os == "windows" {
		return "tidings.exe"
	}
	return "tidings"
}

// targets are the systems of a release, in the order in which documents list them.
var targets = []target{{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "amd64"}, {"darwin", "arm64"}, {"windows", "amd64"}}

// product is what the forms of a release are made from.
type product struct {
	version  string                            // such as v0.1.0
	date     time.Time                         // of the commit; all files have it
	binaries map[target]string                 // paths
	common   []file                            // the same on all systems: completions, manual page, README, changelog, licence, notices
	packing  func(name string) ([]byte, error) // reads a file of release/packaging

	modules map[target][]dependency // in the binaries
}

// file is a file of an archive or a package.
type file struct {
	name string
	text []byte
}

// buildEnv is the environment of a build that depends on nothing of this machine but its Go.
func buildEnv(t target) []string {
	return []string{"GOOS=" + t.os, "GOARCH=" + t.arch, "GOAMD64=v1", "GOARM64=v8.0", "CGO_ENABLED=0", "GOFLAGS=", "GOEXPERIMENT=", "GOWORK=off", "GODEBUG="}
}

// compile builds the binaries, and makes what they print: completions and the manual page.
func compile(ctx context.Context, src *source, dir string) (*product, error) {
	p := &product{date: src.date, binaries: map[target]string{}, modules: map[target][]dependency{}}
	p.packing = func(name string) ([]byte, error) { return src.read(filepath.Join("release", "packaging", name)) }
	for _, t := range targets {
		binary, err := compileFor(ctx, src, t, dir)
		if err != nil {
			return nil, err
		}
		p.binaries[t] = binary
		info, err := buildinfo.ReadFile(binary)
		if err != nil {
			return nil, err
		}
		p.version = info.Main.Version
		if p.modules[t], err = dependencies(ctx, src, t, info); err != nil {
			return nil, err
		}
	}
	here := target{runtime.GOOS, runtime.GOARCH}
	binary, ok := p.binaries[here]
	if !ok {
		var err error
		if binary, err = compileFor(ctx, src, here, dir); err != nil {
			return nil, err
		}
	}
	for name, args := range map[string][]string{
		"completions/tidings.bash": {"completion", "bash"}, "completions/_tidings": {"completion", "zsh"}, "completions/tidings.fish": {"completion", "fish"},
		"man/tidings.1": {"man"},
	} {
		text, err := command(ctx, dir, nil, append([]string{binary}, args...)...)
		if err != nil {
			return nil, err
		}
		p.common = append(p.common, file{name, []byte(text + "\n")})
	}
	for _, name := range []string{"LICENSE", "README.md", "CHANGELOG.md"} {
		text, err := src.read(name)
		if err != nil {
			return nil, err
		}
		p.common = append(p.common, file{name, absolute(text, p.version)})
	}
	notices, err := notices(src, p.modules)
	if err != nil {
		return nil, err
	}
	p.common = append(p.common, file{"THIRD-PARTY-NOTICES.txt", notices})
	return p, nil
}

// relative matches the end of a link in Markdown to a file of the repository.
var relative = regexp.MustCompile(`\]\(([^)#:\s]+)(#[^)\s]*)?\)`)

// absolute makes the links of a page lead to the files of a version on the web, because an archive does not have these files.
func absolute(page []byte, version string) []byte {
	tree := version
	if _, text, _ := strings.Cut(version, "-"); pseudo.MatchString(text) {
		tree = pseudo.FindStringSubmatch(text)[2] // the commit
	}
	parts := bytes.Split(page, []byte("```"))
	for i := 0; i < len(parts); i += 2 { // the others are code, in which ](x) may call a generic function
		parts[i] = relative.ReplaceAll(parts[i], []byte("]("+homepage+"/blob/"+tree+"/$1$2)"))
	}
	return bytes.Join(parts, []byte("```"))
}

// compileFor builds the static binary for a target, and returns its path.
func compileFor(ctx context.Context, src *source, t target, dir string) (string, error) {
	path := filepath.Join(dir, t.String(), t.program())
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	// -trimpath removes the paths of this machine, and -s -w the debugger's tables. Stack traces and profiles stay complete.
	_, err := command(ctx, src.dir, buildEnv(t), "go", "build", "-trimpath", "-buildvcs=true", "-mod=readonly", "-ldflags=-s -w", "-o", path, "./cmd/tidings")
	if err != nil {
		return "", fmt.Errorf("%s: %w", t, err)
	}
	return path, nil
}
