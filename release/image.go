package main

import (
	"archive/tar"
	"bytes"
	"encoding/pem"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// repository is where the image is published.
const repository = "ghcr.io/tidings-sse/tidings"

// The user of the image. Kubernetes accepts only a number as proof that it is not root.
const (
	user   = 65532
	userID = "65532:65532"
)

// image returns an OCI archive, a tar of an OCI image layout, with an image for each architecture of Linux.
func (p *product) image(stage string) ([]byte, error) {
	version := strings.TrimPrefix(p.version, "v")
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, t := range targets {
		if t.os != "linux" {
			continue
		}
		img, err := p.imageFor(t, version)
		if err != nil {
			return nil, err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: plainImage{img}, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: t.os, Architecture: t.arch}}})
	}
	dir := filepath.Join(stage, "image")
	at, err := layout.Write(dir, mutate.IndexMediaType(empty.Index, types.OCIImageIndex))
	if err != nil {
		return nil, err
	}
	// The archive has one entry, the index of both images, so that programs which copy it need not be told which one. The first name is read by
	// skopeo and podman, the second by containerd and Docker.
	names := map[string]string{"org.opencontainers.image.ref.name": version, "io.containerd.image.name": repository + ":" + version}
	if err := at.AppendIndex(index, layout.WithAnnotations(names)); err != nil {
		return nil, err
	}
	return p.tarOf(dir)
}

// plainImage is an image whose descriptor in an index has no artifactType. go-containerregistry writes the type of its configuration there, by
// which some registries take an image for another artifact.
type plainImage struct{ v1.Image }

// ArtifactType is read by package partial.
func (plainImage) ArtifactType() (string, error) { return "", nil }

// imageFor returns the image for one architecture: the binary, the certificates of the public authorities, and a directory for the volume. It
// has no shell.
func (p *product) imageFor(t target, version string) (v1.Image, error) {
	binary, err := os.ReadFile(p.binaries[t])
	if err != nil {
		return nil, err
	}
	base, err := layer(p.date, []entry{
		{name: "data/", owner: user, mode: 0o750},
		{name: "etc/", mode: 0o755},
		// Container runtimes mount their own. Without one, localhost would need a name server.
		{name: "etc/hosts", text: []byte("127.0.0.1 localhost\n::1 localhost\n"), mode: 0o644},
		{name: "etc/group", text: []byte("root:x:0:\ntidings:x:65532:\n"), mode: 0o644},
		{name: "etc/passwd", text: []byte("root:x:0:0:root:/:/\ntidings:x:65532:65532:Tidings:/data:/\n"), mode: 0o644},
		{name: "etc/ssl/", mode: 0o755},
		{name: "etc/ssl/certs/", mode: 0o755},
		{name: "etc/ssl/certs/ca-certificates.crt", text: authorities(), mode: 0o644},
		{name: "tmp/", mode: 0o1777},
	})
	if err != nil {
		return nil, err
	}
	program, err := layer(p.date, append(p.papers(), entry{name: "tidings", text: binary, mode: 0o755}))
	if err != nil {
		return nil, err
	}
	img, err := mutate.AppendLayers(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON), base, program)
	if err != nil {
		return nil, err
	}
	return mutate.ConfigFile(img, p.config(img, t, version))
}

// config is what the image says about itself.
func (p *product) config(img v1.Image, t target, version string) *v1.ConfigFile {
	file, err := img.ConfigFile()
	if err != nil {
		return nil
	}
	file = file.DeepCopy()
	file.OS, file.Architecture, file.Created = t.os, t.arch, v1.Time{Time: p.date}
	for i := range file.History {
		file.History[i].Created = v1.Time{Time: p.date}
	}
	file.Config = v1.Config{
		User: userID, WorkingDir: "/data", Entrypoint: []string{"/tidings"}, Cmd: []string{"serve"},
		// A container is reached from outside, so serve refuses to start without a key. "token key" makes one in the volume, for TIDINGS_KEY_FILE.
		Env:          []string{"TIDINGS_ADDR=0.0.0.0:3000", "TIDINGS_DATA=/data/events"},
		ExposedPorts: map[string]struct{}{"3000/tcp": {}},
		Volumes:      map[string]struct{}{"/data": {}},
		Healthcheck: &v1.HealthConfig{
			Test:     []string{"CMD", "/tidings", "health"}, // of the hub that the variables and TIDINGS_CONFIG configure
			Interval: 30 * time.Second, Timeout: 6 * time.Second, StartPeriod: 10 * time.Second, Retries: 3,
		},
		StopSignal: "SIGTERM",
		Labels: map[string]string{
			"org.opencontainers.image.title": "tidings", "org.opencontainers.image.description": summary, "org.opencontainers.image.version": version,
			"org.opencontainers.image.source": homepage, "org.opencontainers.image.licenses": "Apache-2.0", "org.opencontainers.image.created": p.date.Format(time.RFC3339),
		},
	}
	return file
}

// papers are the licences of what the image contains.
func (p *product) papers() []entry {
	papers := []entry{{name: "licenses/", mode: 0o755}}
	for _, f := range p.common {
		if f.name == "LICENSE" || f.name == "THIRD-PARTY-NOTICES.txt" {
			papers = append(papers, entry{name: "licenses/" + f.name, text: f.text, mode: 0o644})
		}
	}
	return papers
}

// authorities returns the certificates of Mozilla's list. A hub needs them to fetch keys from jwks-url.
func authorities() []byte {
	var b bytes.Buffer
	for root := range bundle.Roots() {
		_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}) // in memory
	}
	return b.Bytes()
}

// entry is a file of a layer, or a directory if its name ends in a slash.
type entry struct {
	name  string
	text  []byte
	mode  int64
	owner int
}

// layer returns a layer with files of a date.
func layer(date time.Time, entries []entry) (v1.Layer, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: e.name, Size: int64(len(e.text)), Mode: e.mode, Uid: e.owner, Gid: e.owner, ModTime: date, Format: tar.FormatUSTAR}
		if strings.HasSuffix(e.name, "/") {
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(e.text); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil }
	return tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer), tarball.WithCompressionLevel(9))
}

// tarOf returns a tar of the files of a directory.
func (p *product) tarOf(dir string) ([]byte, error) {
	var all []file
	root := os.DirFS(dir)
	names, err := list(root)
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		all = append(all, file{path.Clean(name), text})
	}
	var b bytes.Buffer
	err = writeTar(&b, all, p.date)
	return b.Bytes(), err
}
