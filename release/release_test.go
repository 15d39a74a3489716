package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/goreleaser/nfpm/v2"
)

// standIn is a product with short texts in the place of binaries: to build those takes minutes. make try-packages compares the real ones.
func standIn(t *testing.T) *product {
	t.Helper()
	p := &product{
		version: "v0.1.0", date: time.Date(2026, 11, 28, 10, 0, 0, 0, time.UTC), binaries: map[target]string{}, modules: map[target][]dependency{},
		packing: func(name string) ([]byte, error) { return os.ReadFile(filepath.Join("packaging", name)) },
	}
	for name := range installed {
		p.common = append(p.common, file{name, []byte("the text of " + name + "\n")})
	}
	for _, to := range targets {
		p.binaries[to] = filepath.Join(t.TempDir(), to.program())
		if err := write(p.binaries[to], []byte("the binary for "+to.String())); err != nil {
			t.Fatal(err)
		}
		p.modules[to] = []dependency{{path: "example.com/m", version: "v1.2.3+incompatible", sum: "h1:" + base64.StdEncoding.EncodeToString(make([]byte, 32)), licences: []string{"MIT"}}}
	}
	return p
}

// packed packs a product and returns the files by name.
func packed(t *testing.T, p *product) map[string][]byte {
	t.Helper()
	out := t.TempDir()
	names, err := p.pack(out, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, name := range names {
		if files[name], err = os.ReadFile(filepath.Join(out, name)); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// TestSameCommitGivesTheSameBytes: on another day, in other folders.
func TestSameCommitGivesTheSameBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		once := packed(t, standIn(t))
		time.Sleep(25 * time.Hour) // the bubble's clock
		twice := packed(t, standIn(t))
		if len(once) < 15 || !slices.Equal(slices.Sorted(maps.Keys(once)), slices.Sorted(maps.Keys(twice))) {
			t.Fatalf("%d files, and then %d", len(once), len(twice))
		}
		for name, text := range once {
			if !bytes.Equal(text, twice[name]) {
				t.Errorf("%s has other bytes", name)
			}
		}
	})
}

func TestChecksumsAreThoseOfAllFiles(t *testing.T) {
	files := packed(t, standIn(t))
	list := string(files[checksums])
	for name, text := range files {
		sum := sha256.Sum256(text)
		if name != checksums && !strings.Contains(list, hex.EncodeToString(sum[:])+"  "+name+"\n") {
			t.Errorf("%s is not in %s", name, checksums)
		}
	}
	if n := strings.Count(list, "\n"); n != len(files)-1 {
		t.Errorf("%d lines for %d files", n, len(files))
	}
}

// untarred returns the headers of a tar by name, and the texts.
func untarred(t *testing.T, r io.Reader) (map[string]*tar.Header, map[string]string) {
	t.Helper()
	headers, texts := map[string]*tar.Header{}, map[string]string{}
	for archive := tar.NewReader(r); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return headers, texts
		} else if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		headers[h.Name], texts[h.Name] = h, string(text)
	}
}

func gunzip(t *testing.T, text []byte) io.Reader {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestArchivesHaveProgramCompletionsManualAndLicences(t *testing.T) {
	p := standIn(t)
	files := packed(t, p)
	headers, texts := untarred(t, gunzip(t, files["tidings_0.1.0_darwin_arm64.tar.gz"]))
	const top = "tidings_0.1.0_darwin_arm64/"
	for _, name := range append(slices.Collect(maps.Keys(installed)), "tidings") {
		if texts[top+name] == "" {
			t.Errorf("the archive has no %s", name)
		}
	}
	if h := headers[top+"tidings"]; h.Mode != 0o755 || !h.ModTime.Equal(p.date) || h.Uname != "" {
		t.Errorf("the program is %+v", h)
	}
	windows, err := zip.NewReader(bytes.NewReader(files["tidings_0.1.0_windows_amd64.zip"]), int64(len(files["tidings_0.1.0_windows_amd64.zip"])))
	if err != nil {
		t.Fatal(err)
	}
	if f, err := windows.Open("tidings_0.1.0_windows_amd64/tidings.exe"); err != nil {
		t.Error(err)
	} else {
		_ = f.Close()
	}
}

// TestAlpinePackageHasTheServiceAndItsAccount: apk is no program of Debian, so its contents are checked.
func TestAlpinePackageHasTheServiceAndItsAccount(t *testing.T) {
	files := packed(t, standIn(t))
	headers, texts := untarred(t, gunzip(t, files["tidings_0.1.0_linux_arm64.apk"])) // its streams follow each other
	for name, mode := range map[string]int64{
		"usr/bin/tidings": 0o755, "etc/init.d/tidings": 0o755, "etc/tidings/hub.yaml": 0o640, "usr/share/man/man1/tidings.1.gz": 0o644,
		".pre-install": 0o755, ".post-upgrade": 0o755,
	} {
		if h := headers[name]; h == nil || h.Mode&0o777 != mode || h.Uid != 0 {
			t.Errorf("%s: %+v", name, h)
		}
	}
	if h := headers["etc/tidings/hub.yaml"]; h == nil || h.Gname != account {
		t.Errorf("the service cannot read its configuration: %+v", h)
	}
	for _, line := range []string{"pkgname = tidings", "pkgver = 0.1.0-r0", "arch = aarch64", "license = Apache-2.0"} {
		if !strings.Contains(texts[".PKGINFO"], line+"\n") {
			t.Errorf(".PKGINFO has no line %q:\n%s", line, texts[".PKGINFO"])
		}
	}
}

// TestOnlyRootAndTheServiceReadTheConfiguration: every user could read it, and with it the passwords in the URLs of NATS and Redis.
func TestOnlyRootAndTheServiceReadTheConfiguration(t *testing.T) {
	p := standIn(t)
	for _, format := range formats {
		info := new(nfpm.Info)
		if err := p.contents(info, format, "amd64", t.TempDir()); err != nil {
			t.Fatal(err)
		}
		group := account
		if format == "deb" { // see TestDebGivesItsConfigurationToTheService
			group = "root"
		}
		found := 0
		for _, f := range info.Contents {
			if f.Destination == configuration {
				found++
				if f.FileInfo.Mode != 0o640 || f.FileInfo.Owner != "root" || f.FileInfo.Group != group {
					t.Errorf("%s: %+v, want mode 0640 of root:%s", format, f.FileInfo, group)
				}
			}
		}
		if found != 1 {
			t.Errorf("%s has %d configurations", format, found)
		}
	}
}

// TestDebGivesItsConfigurationToTheService, and leaves alone what an administrator has changed.
func TestDebGivesItsConfigurationToTheService(t *testing.T) {
	for has, want := range map[string]bool{
		"640 root root": true, "640 root tidings": false, "640 root adm": false, "600 root root": false, "644 root root": false, "600 tidings tidings": false,
	} {
		dir := t.TempDir()
		if err := write(filepath.Join(dir, "attributes"), []byte(has+"\n")); err != nil {
			t.Fatal(err)
		}
		install(t, dir, "deb/postinst configure")
		got, err := os.ReadFile(filepath.Join(dir, "given"))
		if want && string(got) != "tidings "+dir+configuration+"\n" || !want && !os.IsNotExist(err) {
			t.Errorf("%s: chgrp %q, %v; wanted: %t", has, got, err, want)
		}
	}
}

// TestLinksOfAnArchiveLeadToItsVersion: the archive has README.md, and not the pages that it links to.
func TestLinksOfAnArchiveLeadToItsVersion(t *testing.T) {
	const page = "[docs](docs/a.md#b), [up](#up), [web](https://example.com/), [`c`](c), ![](d.svg)\n```go\nerr := errors.AsType[*E](err)\n```\n[e](e)"
	for version, tree := range map[string]string{"v0.1.0": "v0.1.0", "v0.0.0-20261128100000-0123456789ab": "0123456789ab"} {
		const want = "[docs](TREE/docs/a.md#b), [up](#up), [web](https://example.com/), [`c`](TREE/c), ![](TREE/d.svg)\n```go\nerr := errors.AsType[*E](err)\n```\n[e](TREE/e)"
		if got := string(absolute([]byte(page), version)); got != strings.ReplaceAll(want, "TREE", homepage+"/blob/"+tree) {
			t.Errorf("%s: %s", version, got)
		}
	}
	for _, name := range []string{"README.md", "CHANGELOG.md"} {
		text, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		if left := regexp.MustCompile(`\]\([a-z.]+/[^)]*\)`).Find(absolute(text, "v0.1.0")); left != nil {
			t.Errorf("%s has %s", name, left)
		}
	}
}

// TestDescriptionsOfPackagesDoNotRepeatTheSummary: rpm has a field for each, and apk only the summary.
func TestDescriptionsOfPackagesDoNotRepeatTheSummary(t *testing.T) {
	files := packed(t, standIn(t))
	if n := bytes.Count(files["tidings_0.1.0_linux_amd64.rpm"], []byte(summary)); n != 1 {
		t.Errorf("the rpm has its summary %d times", n)
	}
	_, texts := untarred(t, gunzip(t, files["tidings_0.1.0_linux_amd64.apk"]))
	if !strings.Contains(texts[".PKGINFO"], "pkgdesc = "+summary+"\nurl = ") {
		t.Errorf(".PKGINFO:\n%s", texts[".PKGINFO"])
	}
}

// accountTools stands in for the programs that the scripts of packages call. The files group and passwd of its folder say which accounts exist, attributes
// says what the configuration has, and given gets what chgrp is asked for.
const accountTools = `#!/bin/sh
cd "${0%/*}"
case "${0##*/} $*" in
"getent group tidings" | "getent passwd tidings") [ -e "$1" ] ;;
"groupadd "* | "addgroup "*) [ ! -e group ] && : >group ;;
"useradd "*--user-group*) [ ! -e passwd ] && [ ! -e group ] && : >group && : >passwd ;;
"useradd "* | "adduser "*) [ ! -e passwd ] && [ -e group ] && : >passwd ;;
"stat "*) cat attributes ;;
"chgrp "*) [ -e group ] && echo "$*" >given ;;
"deb-systemd-"* | "systemctl "*) ;;
*) exit 127 ;;
esac
`

// install runs a script of a package with accountTools in a folder, which is also where the package is installed.
func install(t *testing.T, dir, script string) {
	t.Helper()
	for _, name := range []string{"getent", "groupadd", "useradd", "addgroup", "adduser", "stat", "chgrp", "deb-systemd-helper", "deb-systemd-invoke", "systemctl"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(accountTools), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("sh", strings.Fields("packaging/"+script)...)
	cmd.Env = []string{"PATH=" + dir + ":/usr/bin:/bin", "DPKG_ROOT=" + dir}
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%s: %v\n%s", script, err, out)
	}
}

// TestPackagesMakeTheAccountThatIsMissing: the user, the group or both may exist already. The .deb could not be installed if only the group did.
func TestPackagesMakeTheAccountThatIsMissing(t *testing.T) {
	for _, script := range []string{"deb/postinst configure", "rpm/pre 1", "apk/pre-install"} {
		for _, have := range []string{"", "group", "passwd", "group passwd"} {
			dir := t.TempDir()
			for name := range strings.FieldsSeq(have) {
				if err := write(filepath.Join(dir, name), nil); err != nil {
					t.Fatal(err)
				}
			}
			install(t, dir, script)
			for _, name := range []string{"group", "passwd"} {
				if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
					t.Errorf("%s with %q leaves no %s", script, have, name)
				}
			}
		}
	}
}

// TestImageRunsWithoutRootAndShell, has a health check and a volume, and one name for all architectures.
func TestImageRunsWithoutRootAndShell(t *testing.T) {
	dir := t.TempDir()
	_, texts := untarred(t, bytes.NewReader(packed(t, standIn(t))["tidings_0.1.0_oci.tar"]))
	for name, text := range texts {
		if err := write(filepath.Join(dir, name), []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	images := imagesIn(t, dir)
	if len(images) != 2 {
		t.Fatalf("%d images", len(images))
	}
	for arch, img := range images {
		config, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if c := config.Config; config.Architecture != arch || c.User != userID || len(c.Volumes) != 1 || c.Healthcheck == nil || !slices.Equal(c.Entrypoint, []string{"/tidings"}) {
			t.Errorf("%s: %+v", arch, c)
		}
		headers, texts := untarred(t, mutate.Extract(img))
		if !strings.Contains(texts["etc/hosts"], "127.0.0.1 localhost\n") {
			t.Errorf("without a name server, localhost has no address: %q", texts["etc/hosts"])
		}
		if h := headers["data"]; h == nil || h.Uid != user {
			t.Errorf("the volume is %+v", h)
		}
		if !slices.Equal(config.Config.Healthcheck.Test, []string{"CMD", "/tidings", "health"}) {
			t.Errorf("the health check is %q, and would ask another hub than that of the variables", config.Config.Healthcheck.Test)
		}
		for name, h := range headers {
			if h.Mode&0o111 != 0 && h.Typeflag == tar.TypeReg && name != "tidings" {
				t.Errorf("%s is a program", name)
			}
		}
	}
}

// imagesIn returns the images of the only entry of an OCI layout, by architecture.
func imagesIn(t *testing.T, dir string) map[string]v1.Image {
	t.Helper()
	all, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := all.IndexManifest()
	if err != nil || len(entries.Manifests) != 1 {
		t.Fatalf("%+v, %v", entries, err)
	}
	index, err := all.ImageIndex(entries.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	images := map[string]v1.Image{}
	for _, m := range append(manifest.Manifests, entries.Manifests...) {
		if m.ArtifactType != "" {
			t.Errorf("an image is listed as an artifact of the type %s", m.ArtifactType)
		}
	}
	for _, m := range manifest.Manifests {
		if images[m.Platform.Architecture], err = index.Image(m.Digest); err != nil {
			t.Fatal(err)
		}
	}
	return images
}

func TestBillOfMaterialsNamesModulesSumsAndLicences(t *testing.T) {
	bom := new(cdx.BOM)
	if err := cdx.NewBOMDecoder(bytes.NewReader(packed(t, standIn(t))["tidings_0.1.0_linux_amd64.cdx.json"]), cdx.BOMFileFormatJSON).Decode(bom); err != nil {
		t.Fatal(err)
	}
	parts := *bom.Components
	if len(parts) != 1 || parts[0].PackageURL != "pkg:golang/example.com/m@v1.2.3%2Bincompatible" || (*parts[0].Licenses)[0].License.ID != "MIT" || len(*parts[0].Hashes) != 1 {
		t.Errorf("%+v", parts)
	}
}

func TestPackageManagersGetTheArchivesAndTheirSums(t *testing.T) {
	files := packed(t, standIn(t))
	sum := func(name string) string {
		s := sha256.Sum256(files[name])
		return hex.EncodeToString(s[:])
	}
	for _, system := range []string{"darwin_amd64", "darwin_arm64", "linux_amd64", "linux_arm64"} {
		name := "tidings_0.1.0_" + system + ".tar.gz"
		lines := "      url \"https://github.com/tidings-sse/tidings/releases/download/v0.1.0/" + name + "\"\n      sha256 \"" + sum(name) + "\"\n"
		if !strings.Contains(string(files["tidings.rb"]), lines) {
			t.Errorf("the formula has no %s:\n%s", name, files["tidings.rb"])
		}
	}
	var manifest struct {
		Architecture map[string]struct{ URL, Hash string }
	}
	if err := json.Unmarshal(files["tidings.json"], &manifest); err != nil {
		t.Fatal(err)
	}
	const name = "tidings_0.1.0_windows_amd64.zip"
	if a := manifest.Architecture["64bit"]; !strings.HasSuffix(a.URL, "/v0.1.0/"+name) || a.Hash != sum(name) {
		t.Errorf("%+v", a)
	}
}

// TestVersionsBeforeAReleaseSortBeforeIt, in the words of each package format.
func TestVersionsBeforeAReleaseSortBeforeIt(t *testing.T) {
	for version, want := range map[string][3]string{
		"v1.2.3":                               {"1.2.3", "", ""},
		"v1.2.3-rc.1":                          {"1.2.3", "rc.1", "rc1"},
		"v0.0.0-20261128100000-0123456789ab":   {"0.0.0", "20261128100000.0123456789ab", "pre20261128100000"},
		"v1.2.4-0.20261128100000-0123456789ab": {"1.2.4", "0.20261128100000.0123456789ab", "pre20261128100000"},
		"v1.2.3+dirty":                         {"1.2.3", "", ""},
	} {
		if got := [3]string{numbers(version), prerelease(version, "deb"), prerelease(version, "apk")}; got != want {
			t.Errorf("%s: %q, want %q", version, got, want)
		}
	}
}

// TestLicencesOfThePrograms: a new dependency with another licence stopped make release, and no test of CI had noticed.
func TestLicencesOfThePrograms(t *testing.T) {
	src, modules := &source{dir: ".."}, map[target][]dependency{}
	for _, to := range targets {
		list, err := command(t.Context(), src.dir, buildEnv(to), "go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Sum}}{{end}}{{end}}", "./cmd/tidings")
		if err != nil {
			t.Fatal(err)
		}
		info := &debug.BuildInfo{} // as that of a binary, which takes minutes to build
		for line := range strings.Lines(list) {
			if f := strings.Fields(line); len(f) == 3 {
				info.Deps = append(info.Deps, &debug.Module{Path: f[0], Version: f[1], Sum: f[2]})
			}
		}
		if modules[to], err = dependencies(t.Context(), src, to, info); err != nil || len(modules[to]) < 50 {
			t.Errorf("%s: %d modules, %v", to, len(modules[to]), err)
		}
	}
	text, err := notices(src, modules)
	for _, want := range []string{"Go, its runtime", "in the web console", "github.com/cockroachdb/pebble/v2 v", "(Apache-2.0"} {
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("the notices do not have %q, %v", want, err)
		}
	}
}

// TestLicenceThatIsNotAllowedStopsARelease, and a text that is no licence.
func TestLicenceThatIsNotAllowedStopsARelease(t *testing.T) {
	const mpl = "This Source Code Form is subject to the terms of the Mozilla Public License, v. 2.0. If a copy of the MPL was not distributed with this file, " +
		"You can obtain one at http://mozilla.org/MPL/2.0/."
	const isc = "Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby granted, provided that the " +
		"above copyright notice and this permission notice appear in all copies.\n\nTHE SOFTWARE IS PROVIDED \"AS IS\" AND THE AUTHOR DISCLAIMS ALL " +
		"WARRANTIES WITH REGARD TO THIS SOFTWARE INCLUDING ALL IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS. IN NO EVENT SHALL THE AUTHOR BE LIABLE " +
		"FOR ANY SPECIAL, DIRECT, INDIRECT, OR CONSEQUENTIAL DAMAGES OR ANY DAMAGES WHATSOEVER RESULTING FROM LOSS OF USE, DATA OR PROFITS, WHETHER IN AN " +
		"ACTION OF CONTRACT, NEGLIGENCE OR OTHER TORTIOUS ACTION, ARISING OUT OF OR IN CONNECTION WITH THE USE OR PERFORMANCE OF THIS SOFTWARE."
	for text, want := range map[string]string{isc: "", mpl: "MPL-2.0", "do what you like": "no licence that is known"} {
		d := &dependency{path: "example.com/m", texts: map[string]file{"x": {"LICENSE", []byte(text)}}}
		if err := d.classify(); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: %v, want %q", text, err, want)
		}
	}
}
