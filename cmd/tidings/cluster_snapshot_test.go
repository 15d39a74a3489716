package main

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fileSnapshot is a log whose snapshot has some files.
type fileSnapshot map[string]string

func (s fileSnapshot) Snapshot(_ context.Context, dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	for name, text := range s {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func TestSnapshotTravelsWhole(t *testing.T) {
	parent, files := t.TempDir(), fileSnapshot{"000004.sst": strings.Repeat("table", 100_000), "MANIFEST-000001": "m", "tidings.json": "{}"}
	var text bytes.Buffer
	if err := writeSnapshot(t.Context(), files, parent, &text); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(parent); err != nil || len(left) > 0 {
		t.Errorf("what is left behind: %v, %v", left, err)
	}
	fresh, place := filepath.Join(parent, "mirror.new"), filepath.Join(parent, "mirror")
	if err := readSnapshot(bytes.NewReader(text.Bytes()), fresh); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time there is an old one
		if err := replaceDir(fresh, place); err != nil {
			t.Fatal(err)
		}
		for name, want := range files {
			if got, err := os.ReadFile(filepath.Join(place, name)); err != nil || string(got) != want {
				t.Errorf("%s has %d bytes, %v", name, len(got), err)
			}
		}
		if err := readSnapshot(bytes.NewReader(text.Bytes()), fresh); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSnapshotThatIsNotWholeOrNotALogIsRefused(t *testing.T) {
	var whole bytes.Buffer
	if err := writeSnapshot(t.Context(), fileSnapshot{"a": strings.Repeat("x", 5000)}, t.TempDir(), &whole); err != nil {
		t.Fatal(err)
	}
	entry := func(header tar.Header) string {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		if err := w.WriteHeader(&header); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	for what, text := range map[string]string{
		"cut":          whole.String()[:3000],
		"text":         strings.Repeat("this is no tar file. ", 100),
		"outside":      entry(tar.Header{Name: "../evil", Typeflag: tar.TypeReg}),
		"absolute":     entry(tar.Header{Name: "/etc/evil", Typeflag: tar.TypeReg}),
		"a link":       entry(tar.Header{Name: "link", Linkname: "/etc/passwd", Typeflag: tar.TypeSymlink}),
		"a directory":  entry(tar.Header{Name: "dir", Typeflag: tar.TypeDir}),
		"in a folder":  entry(tar.Header{Name: "dir/file", Typeflag: tar.TypeReg}),
		"the same two": entry(tar.Header{Name: "a", Typeflag: tar.TypeReg})[:512] + entry(tar.Header{Name: "a", Typeflag: tar.TypeReg}),
	} {
		if err := readSnapshot(io.MultiReader(strings.NewReader(text)), filepath.Join(t.TempDir(), "new")); err == nil {
			t.Errorf("%s: accepted", what)
		}
	}
}
