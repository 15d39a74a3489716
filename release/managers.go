package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"text/template"
)

// download is the URL of a file of the release.
func (p *product) download(name string) string {
	return homepage + "/releases/download/" + p.version + "/" + name
}

// formula is what Homebrew needs to install the archives for macOS and Linux.
var formula = template.Must(template.New("").Parse(`class Tidings < Formula
  desc "{{.Summary}}"
  homepage "{{.Homepage}}"
  version "{{.Version}}"
  license "Apache-2.0"
{{range .Systems}}
  on_{{.Name}} do{{range .Archives}}
    on_{{.Name}} do
      url "{{.URL}}"
      sha256 "{{.Sum}}"
    end{{end}}
  end
{{end}}
  def install
    bin.install "tidings"
    man1.install "man/tidings.1"
    bash_completion.install "completions/tidings.bash" => "tidings"
    zsh_completion.install "completions/_tidings"
    fish_completion.install "completions/tidings.fish"
  end

  service do
    run [opt_bin/"tidings", "serve", "--data", var/"tidings"]
    keep_alive true
    log_path var/"log/tidings.log"
    error_log_path var/"log/tidings.log"
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/tidings --version")
    system bin/"tidings", "config"
  end
end
`))

// homebrew returns the formula. sums are the checksums of the archives, by name.
func (p *product) homebrew(sums map[string]string) ([]byte, error) {
	type archive struct{ Name, URL, Sum string }
	type system struct {
		Name     string
		Archives []archive
	}
	brew := map[string]string{"darwin": "macos", "linux": "linux", "amd64": "intel", "arm64": "arm"}
	var systems []system
	for _, os := range []string{"darwin", "linux"} {
		s := system{Name: brew[os]}
		for _, arch := range []string{"arm64", "amd64"} {
			name := p.archiveName(target{os, arch}) + ".tar.gz"
			if sums[name] == "" {
				return nil, fmt.Errorf("%s has no checksum", name)
			}
			s.Archives = append(s.Archives, archive{brew[arch], p.download(name), sums[name]})
		}
		systems = append(systems, s)
	}
	var b bytes.Buffer
	err := formula.Execute(&b, map[string]any{
		"Summary": strings.ToUpper(summary[:1]) + summary[1:], "Homepage": homepage, "Version": strings.TrimPrefix(p.version, "v"), "Systems": systems,
	})
	return b.Bytes(), err
}

// scoop returns the manifest for Windows.
func (p *product) scoop(sums map[string]string) ([]byte, error) {
	t := target{"windows", "amd64"}
	name := p.archiveName(t) + ".zip"
	if sums[name] == "" {
		return nil, fmt.Errorf("%s has no checksum", name)
	}
	type download struct {
		URL        string `json:"url"`
		Hash       string `json:"hash"`
		ExtractDir string `json:"extract_dir"`
	}
	text, err := json.MarshalIndent(struct {
		Version      string              `json:"version"`
		Description  string              `json:"description"`
		Homepage     string              `json:"homepage"`
		License      string              `json:"license"`
		Architecture map[string]download `json:"architecture"`
		Bin          string              `json:"bin"`
	}{
		strings.TrimPrefix(p.version, "v"), strings.ToUpper(summary[:1]) + summary[1:], homepage, "Apache-2.0",
		map[string]download{"64bit": {p.download(name), sums[name], p.archiveName(t)}},
		t.program(),
	}, "", "    ")
	return append(text, '\n'), err
}
