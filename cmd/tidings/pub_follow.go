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

// followed is a file that others write to. It reads what is written from now on, and goes on with the next file of that name
// when logs are rotated, and from the beginning when the file is cut. Only whole lines come out: a program may be in the middle
// of one.
type followed struct {
	ctx  context.Context
	name string
	file *os.File
	at   int64
	rest []byte // of a line that has no end yet

	ready []byte // whole lines to hand out
}

// pollEvery is how often a followed file is looked at.
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

// Read waits until there is a whole line.
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

// fill reads what has been written since, or waits a moment.
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
	if moved, err := f.turn(); moved || err != nil {
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

// turn goes on with another file of the name, or from the beginning of one that was cut.
func (f *followed) turn() (moved bool, err error) {
	there, err := os.Stat(f.name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // between two files
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
			return true, nil // something came at the last moment
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

// flushRest publishes a last line that has no line end.
func (f *followed) flushRest() {
	if len(f.rest) > 0 {
		f.ready = append(f.rest, '\n')
		f.rest = nil
	}
}
