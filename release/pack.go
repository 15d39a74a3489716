package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// checksums is the name of the file with the checksums of all others, for sha256sum -c.
const checksums = "SHA256SUMS"

// pack writes every form of the release into a folder, and returns the names of the files. stage is a folder for its own use.
func (p *product) pack(out, stage string) ([]string, error) {
	slices.SortFunc(p.common, func(a, b file) int { return strings.Compare(a.name, b.name) })
	sums := map[string]string{}
	var names []string
	add := func(name string, text []byte, err error) error {
		if err != nil {
			return err
		}
		sum := sha256.Sum256(text)
		sums[name] = hex.EncodeToString(sum[:])
		names = append(names, name)
		return write(filepath.Join(out, name), text)
	}
	for _, t := range targets {
		text, extension, err := p.archive(t)
		if err := add(p.archiveName(t)+extension, text, err); err != nil {
			return nil, err
		}
		text, err = p.sbom(t)
		if err := add(p.archiveName(t)+".cdx.json", text, err); err != nil {
			return nil, err
		}
		if t.os != "linux" {
			continue
		}
		for _, format := range formats {
			text, err = p.packet(format, t.arch, stage)
			if err := add(p.archiveName(t)+"."+format, text, err); err != nil {
				return nil, err
			}
		}
	}
	text, err := p.image(stage)
	if err := add("tidings_"+strings.TrimPrefix(p.version, "v")+"_oci.tar", text, err); err != nil {
		return nil, err
	}
	text, err = p.homebrew(sums)
	if err := add("tidings.rb", text, err); err != nil {
		return nil, err
	}
	text, err = p.scoop(sums)
	if err := add("tidings.json", text, err); err != nil {
		return nil, err
	}
	var list bytes.Buffer
	for _, name := range names {
		fmt.Fprintf(&list, "%s  %s\n", sums[name], name)
	}
	return append(names, checksums), write(filepath.Join(out, checksums), list.Bytes())
}

// list returns the names of the files below a folder.
func list(root fs.FS) (names []string, err error) {
	err = fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, name)
		}
		return err
	})
	return names, err
}
