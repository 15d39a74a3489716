package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// archiveName is the name of an archive, without its extension. It is also that of the folder in it.
func (p *product) archiveName(t target) string {
	return "tidings_" + strings.TrimPrefix(p.version, "v") + "_" + t.String()
}

// archive returns the archive for a system and its extension: a binary with everything that belongs to it.
func (p *product) archive(t target) (text []byte, extension string, err error) {
	binary, err := os.ReadFile(p.binaries[t])
	if err != nil {
		return nil, "", err
	}
	files := append([]file{{t.program(), binary}}, p.common...)
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.name, b.name) })
	for i := range files {
		files[i].name = p.archiveName(t) + "/" + files[i].name
	}
	var b bytes.Buffer
	if t.os == "windows" {
		err = writeZip(&b, files, p.date)
		return b.Bytes(), ".zip", err
	}
	err = writeTarGz(&b, files, p.date)
	return b.Bytes(), ".tar.gz", err
}

// mode is the mode of a file in an archive.
func mode(name string) int64 {
	if strings.HasSuffix(name, "/tidings") {
		return 0o755
	}
	return 0o644
}

func writeTarGz(w io.Writer, files []file, date time.Time) error {
	zipped, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	if err := writeTar(zipped, files, date); err != nil {
		return err
	}
	return zipped.Close()
}

// writeTar writes files that belong to root, and are of date.
func writeTar(w io.Writer, files []file, date time.Time) error {
	t := tar.NewWriter(w)
	for _, f := range files {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: f.name, Size: int64(len(f.text)), Mode: mode(f.name), ModTime: date, Format: tar.FormatUSTAR}
		if err := t.WriteHeader(h); err != nil {
			return err
		}
		if _, err := t.Write(f.text); err != nil {
			return err
		}
	}
	return t.Close()
}

func writeZip(w io.Writer, files []file, date time.Time) error {
	z := zip.NewWriter(w)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestCompression) })
	for _, f := range files {
		h := &zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: date}
		h.SetMode(0o644)
		entry, err := z.CreateHeader(h)
		if err != nil {
			return err
		}
		if _, err := entry.Write(f.text); err != nil {
			return err
		}
	}
	return z.Close()
}
