package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// followed reads the lines that other programs append to a file from now on. When the file is replaced, as in log rotation, it continues
// with the new file of the same name. When the file is truncated, it continues at the beginning. It returns only complete lines.
type followed struct {
	ctx  context.Context
	name string
	file *os.File
	at   int64
	rest []byte // the beginning of an incomplete line

	ready []byte // complete lines that Read has not returned yet
}

// pollEvery is the interval at which a followed file is checked.
const pollEvery = 200 * time.Millisecond

func followFile(ctx context.Context, name string) (io.ReadCloser, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s is a directory", name)
	}
	at := int64(0)
	if err == nil {
		at, err = f.Seek(0, io.SeekEnd)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &followed{ctx: ctx, name: name, file: f, at: at}, nil
}

func (f *followed) Close() error { return f.file.Close() }

// Read waits for a complete line.
func (f *followed) Read(p []byte) (int, error) {
	for len(f.ready) == 0 {
		if err := f.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, f.ready)
	f.ready = f.ready[n:]
	return n, nil
}

// fill reads new bytes. If there are none, it waits for pollEvery.
func (f *followed) fill() error {
	buf := make([]byte, 64<<10)
	n, err := f.file.Read(buf)
	f.at += int64(n)
	if n > 0 {
		f.rest = append(f.rest, buf[:n]...)
		if end := lastLineEnd(f.rest); end > 0 {
			f.ready, f.rest = f.rest[:end:end], append([]byte(nil), f.rest[end:]...)
		}
		return nil
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if moved, err := f.rotate(); moved || err != nil {
		return err
	}
	select {
	case <-time.After(pollEvery):
		return nil
	case <-f.ctx.Done():
		return f.ctx.Err()
	}
}

func lastLineEnd(b []byte) int {
	for i := len(b); i > 0; i-- {
		if b[i-1] == '\n' {
			return i
		}
	}
	return 0
}

// rotate continues with a new file of the same name, or at the beginning of a truncated one.
func (f *followed) rotate() (moved bool, err error) {
	there, err := os.Stat(f.name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // the new file does not exist yet
	} else if err != nil {
		return false, err
	}
	here, err := f.file.Stat()
	if err != nil {
		return false, err
	}
	switch {
	case !os.SameFile(here, there):
		if here.Size() > f.at {
			return true, nil // the old file has more bytes
		}
		next, err := os.Open(f.name)
		if err != nil {
			return false, err
		}
		err = f.file.Close()
		f.file, f.at = next, 0
		f.flushRest()
		return true, err
	case there.Size() < f.at:
		if _, err := f.file.Seek(0, io.SeekStart); err != nil {
			return false, err
		}
		f.at = 0
		f.flushRest()
		return true, nil
	}
	return false, nil
}

// flushRest completes the last line of a file, which has no line end.
func (f *followed) flushRest() {
	if len(f.rest) > 0 {
		f.ready = append(f.rest, '\n')
		f.rest = nil
	}
}
