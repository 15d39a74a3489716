package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/apk" // registers the format
	_ "github.com/goreleaser/nfpm/v2/deb" // registers the format
	"github.com/goreleaser/nfpm/v2/files"
	_ "github.com/goreleaser/nfpm/v2/rpm" // registers the format
)

// formats are the kinds of packages, by extension.
var formats = []string{"deb", "rpm", "apk"}

// homepage is where the project lives.
const homepage = "https://github.com/tidings-sse/tidings"

// Debian's description begins with the summary. Other formats have one field for each, or the summary alone.
const (
	summary     = "event log that browsers can tail"
	description = `A hub of Server-Sent Events: publish by HTTP POST, subscribe with EventSource.
Subscribers that reconnect get the events that they have missed. One binary is
the hub, its command line, and its web console.`
)

// packet returns the package of a format for an architecture of Linux.
func (p *product) packet(format, arch, stage string) ([]byte, error) {
	stage = filepath.Join(stage, format, arch)
	info := &nfpm.Info{
		Name: "tidings", Arch: arch, Platform: "linux", Version: numbers(p.version), VersionSchema: "none", Prerelease: prerelease(p.version, format),
		Maintainer: "Tidings <maintainers@tidings-sse.example>", Description: summary + "\n" + description, Homepage: homepage, License: "Apache-2.0",
		Section: "net", Priority: "optional", MTime: p.date, DisableGlobbing: true,
	}
	info.RPM.BuildHost = "localhost" // else that of this machine
	info.RPM.Summary = summary
	switch format {
	case "deb":
		info.Depends, info.Recommends = []string{"passwd"}, []string{"ca-certificates"}
	case "apk":
		info.Release, info.Description = "0", summary
	case "rpm":
		info.Description = description
		info.Depends, info.Recommends = []string{"/usr/sbin/useradd"}, []string{"ca-certificates"}
	}
	if err := p.contents(info, format, arch, stage); err != nil {
		return nil, err
	}
	if err := p.scripts(info, format, stage); err != nil {
		return nil, err
	}
	packager, err := nfpm.Get(format)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := packager.Package(nfpm.WithDefaults(info), &b); err != nil {
		return nil, fmt.Errorf("%s for %s: %w", format, arch, err)
	}
	return b.Bytes(), nil
}

// installed says where a package installs a file that all forms of a release have. zipped is true if Debian's policy asks for gzip.
var installed = map[string]struct {
	path   string
	zipped bool
}{
	"completions/tidings.bash": {"/usr/share/bash-completion/completions/tidings", false},
	"completions/_tidings":     {"/usr/share/zsh/site-functions/_tidings", false},
	"completions/tidings.fish": {"/usr/share/fish/vendor_completions.d/tidings.fish", false},
	"man/tidings.1":            {"/usr/share/man/man1/tidings.1.gz", true},
	"THIRD-PARTY-NOTICES.txt":  {"/usr/share/doc/tidings/THIRD-PARTY-NOTICES.txt.gz", true},
	"CHANGELOG.md":             {"/usr/share/doc/tidings/changelog.gz", true},
	"LICENSE":                  {"/usr/share/licenses/tidings/LICENSE", false},
}

const (
	configuration = "/etc/tidings/hub.yaml"
	account       = "tidings" // the user and the group of the service
)

// contents adds the files of a package. nfpm reads them from disk, so each is first written below stage.
func (p *product) contents(info *nfpm.Info, format, arch, stage string) error {
	add := func(path string, text []byte, kind, group string, mode os.FileMode) error {
		source := filepath.Join(stage, path)
		if err := p.stage(source, text); err != nil {
			return err
		}
		info.Contents = append(info.Contents, &files.Content{
			Source: source, Destination: path, Type: kind, FileInfo: &files.ContentFileInfo{Owner: "root", Group: group, Mode: mode, MTime: p.date},
		})
		return nil
	}
	binary, err := os.ReadFile(p.binaries[target{"linux", arch}])
	if err != nil {
		return err
	}
	if err := add("/usr/bin/tidings", binary, files.TypeFile, "root", 0o755); err != nil {
		return err
	}
	for _, f := range p.common {
		to, ok := installed[f.name]
		if !ok || format == "deb" && f.name == "LICENSE" { // Debian has the licence in a package of its own
			continue
		}
		if format == "deb" {
			to.path = strings.Replace(to.path, "/usr/share/zsh/site-functions/", "/usr/share/zsh/vendor-completions/", 1)
		}
		if to.zipped {
			if f.text, err = zipped(f.text); err != nil {
				return err
			}
		}
		if err := add(to.path, f.text, files.TypeFile, "root", 0o644); err != nil {
			return err
		}
	}
	for _, f := range []struct {
		name, path, kind, group string
		mode                    os.FileMode
		formats                 string
	}{
		// It may hold passwords. The account exists before rpm and apk unpack it. Debian makes accounts later, so there postinst sets the group.
		{"hub.yaml", configuration, files.TypeConfigNoReplace, "root", 0o640, "deb"},
		{"hub.yaml", configuration, files.TypeConfigNoReplace, account, 0o640, "rpm apk"},
		{"tidings.service", "/usr/lib/systemd/system/tidings.service", files.TypeFile, "root", 0o644, "deb rpm"},
		{"tidings.socket", "/usr/lib/systemd/system/tidings.socket", files.TypeFile, "root", 0o644, "deb rpm"},
		{"tidings.openrc", "/etc/init.d/tidings", files.TypeConfigNoReplace, "root", 0o755, "apk"},
		{"copyright", "/usr/share/doc/tidings/copyright", files.TypeFile, "root", 0o644, "deb"},
	} {
		if !strings.Contains(f.formats, format) {
			continue
		}
		text, err := p.packing(f.name)
		if err != nil {
			return err
		}
		if err := add(f.path, text, f.kind, f.group, f.mode); err != nil {
			return err
		}
	}
	return nil
}

// scripts adds the scripts that run when a package is installed and removed.
func (p *product) scripts(info *nfpm.Info, format, stage string) error {
	for name, script := range map[string]*string{
		"deb/postinst": &info.Scripts.PostInstall, "deb/prerm": &info.Scripts.PreRemove, "deb/postrm": &info.Scripts.PostRemove,
		"rpm/pre": &info.Scripts.PreInstall, "rpm/post": &info.Scripts.PostInstall, "rpm/preun": &info.Scripts.PreRemove, "rpm/postun": &info.Scripts.PostRemove,
		"apk/pre-install": &info.Scripts.PreInstall, "apk/post-upgrade": &info.APK.Scripts.PostUpgrade,
	} {
		if !strings.HasPrefix(name, format+"/") {
			continue
		}
		text, err := p.packing(name)
		if err != nil {
			return err
		}
		*script = filepath.Join(stage, "scripts", filepath.Base(name))
		if err := p.stage(*script, text); err != nil {
			return err
		}
	}
	return nil
}

// stage writes a file that nfpm reads. It has the date of the commit, because nfpm copies that of scripts.
func (p *product) stage(path string, text []byte) error {
	return errors.Join(write(path, text), os.Chtimes(path, p.date, p.date))
}

// numbers returns the three numbers of a version.
func numbers(version string) string {
	version, _, _ = strings.Cut(strings.TrimPrefix(version, "v"), "+")
	version, _, _ = strings.Cut(version, "-")
	return version
}

// pseudo matches what a pseudo-version has after its numbers: the date of a commit and its hash.
var pseudo = regexp.MustCompile(`(?:^|\.)(\d{14})-([0-9a-f]{12})$`)

// prerelease returns what a version has after its numbers, in the words of a package format. All formats sort it before the release: deb and rpm
// by ~, and apk by the words that it knows.
func prerelease(version, format string) string {
	version, _, _ = strings.Cut(version, "+")
	_, text, _ := strings.Cut(version, "-")
	if format != "apk" {
		return strings.ReplaceAll(text, "-", ".")
	}
	if date := pseudo.FindStringSubmatch(text); date != nil {
		return "pre" + date[1]
	}
	return strings.ReplaceAll(text, ".", "")
}

// zipped compresses a file without its name and date.
func zipped(text []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	err = w.Close()
	return b.Bytes(), err
}

// write writes a file, and makes its folder.
func write(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}
