package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// sbom returns the bill of materials of a binary: the modules in it, with their sums and licences, in CycloneDX 1.6.
func (p *product) sbom(t target) ([]byte, error) {
	binary, err := os.ReadFile(p.binaries[t])
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(binary)
	main := component("github.com/tidings-sse/tidings", p.version, []string{"Apache-2.0"})
	main.Type = cdx.ComponentTypeApplication
	main.Hashes = &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(sum[:])}}
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{
		Timestamp: p.date.Format(time.RFC3339), Component: &main,
		Properties: &[]cdx.Property{{Name: "go:platform", Value: t.os + "/" + t.arch}},
	}
	needs, parts := []string{}, []cdx.Component{}
	for _, d := range p.modules[t] {
		c := component(d.path, d.version, d.licences)
		if digest, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(d.sum, "h1:")); err == nil && len(digest) == sha256.Size {
			c.Hashes = &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(digest)}}
		} else {
			return nil, fmt.Errorf("module %s has the sum %q, which is not one of go.sum", d.path, d.sum)
		}
		parts, needs = append(parts, c), append(needs, c.BOMRef)
	}
	bom.Components = &parts
	bom.Dependencies = &[]cdx.Dependency{{Ref: main.BOMRef, Dependencies: &needs}}
	var b bytes.Buffer
	err = cdx.NewBOMEncoder(&b, cdx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(bom, cdx.SpecVersion1_6)
	return b.Bytes(), err
}

func component(path, version string, licences []string) cdx.Component {
	url := "pkg:golang/" + path + "@" + strings.ReplaceAll(version, "+", "%2B")
	choices := cdx.Licenses{}
	for _, id := range licences {
		choices = append(choices, cdx.LicenseChoice{License: &cdx.License{ID: id}})
	}
	return cdx.Component{BOMRef: url, Type: cdx.ComponentTypeLibrary, Name: path, Version: version, PackageURL: url, Licenses: &choices}
}
