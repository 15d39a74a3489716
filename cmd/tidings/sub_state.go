package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// position is the content of a state file, as JSON: the ID of the last handled event, and the stream that it belongs to. An ID of one stream
// has no meaning in another.
type position struct {
	URL string `json:"url"`
	ID  string `json:"id"`
}

// state keeps a position in a file. It replaces the file atomically, so that the file always holds a complete position, even after a power
// failure. The file is at most interval older than the handled events. So every event is handled at least once, and after a crash the events
// of the last interval are handled twice.
type state struct {
	file     string
	interval time.Duration // 0 means that each save writes the file

	mu      sync.Mutex // guards the following
	current position
	written position
	at      time.Time   // of the last write
	timer   *time.Timer // writes the current position; nil while it is in the file
	err     error       // the first failure to write
}

// maxState is the maximum size of a state file in bytes. IDs are small, because a header field carries them.
const maxState = 1 << 20

// openState reads the state file, or creates it. It also writes the file, so that a file that cannot be written is an error before the first
// event.
func openState(file, url string, interval time.Duration) (*state, error) {
	if target, err := filepath.EvalSymlinks(file); err == nil {
		file = target // replaces the target of a link, not the link
	}
	pos, err := readPosition(file)
	if err != nil {
		return nil, err
	}
	if pos.ID != "" && pos.URL != url {
		return nil, fmt.Errorf("the state file %s belongs to another stream, %s\n"+
			"hint: use one file per stream, or remove this file to start again", file, visible(pos.URL))
	}
	s := &state{file: file, interval: interval, current: position{URL: url, ID: pos.ID}}
	if err := s.write(); err != nil {
		return nil, err
	}
	return s, nil
}

// readPosition returns the position in a file, the zero position if the file does not exist or is empty.
func readPosition(file string) (position, error) {
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return position{}, nil
	case err != nil:
		return position{}, fmt.Errorf("the state file cannot be read: %w", err)
	case !info.Mode().IsRegular():
		return position{}, fmt.Errorf("the state file %s is not a regular file", file)
	}
	f, err := os.Open(file)
	if err != nil {
		return position{}, fmt.Errorf("the state file cannot be read: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxState+1))
	if err != nil {
		return position{}, fmt.Errorf("the state file cannot be read: %w", err)
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return position{}, nil // as mktemp creates it
	}
	pos, ok := parsePosition(text)
	if !ok {
		return position{}, fmt.Errorf("the file %s is not a state file of tidings sub, and was not changed", file)
	}
	return pos, nil
}

// parsePosition is strict, because a file that it accepts is overwritten.
func parsePosition(text []byte) (position, bool) {
	var pos position
	if len(text) > maxState {
		return pos, false
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&pos); err != nil {
		return position{}, false
	}
	_, err := dec.Token()
	return pos, pos.URL != "" && err == io.EOF
}

// id returns the position to resume from.
func (s *state) id() string {
	if s == nil {
		return ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current.ID
}

// save records that all events up to id are handled. The file has the position within interval, or after close. The error may be that of an
// earlier write. A nil state saves nothing.
func (s *state) save(id string) error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current.ID = id
	if s.err != nil || s.timer != nil || s.current == s.written {
		return s.err
	}
	if wait := s.interval - time.Since(s.at); wait > 0 {
		s.timer = time.AfterFunc(wait, s.late)
		return nil
	}
	return s.write()
}

// late writes the position when the interval is over.
func (s *state) late() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer != nil {
		s.timer = nil
		_ = s.write() // s.err keeps the failure for the next save, or close
	}
}

// close writes the position if the file has an older one.
func (s *state) close() error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	if s.err != nil || s.current == s.written {
		return s.err
	}
	return s.write()
}

// write writes the file. The caller holds mu, or is the only user of s.
func (s *state) write() error {
	text, err := json.Marshal(s.current)
	if err == nil {
		err = replaceFile(s.file, append(text, '\n'))
	}
	if err != nil {
		s.err = fmt.Errorf("the state file cannot be written: %w", err)
		return s.err
	}
	s.written, s.at = s.current, time.Now()
	return nil
}

// replaceFile replaces the content of a file atomically: a reader finds either the old or the new content, even after a power failure. Only the
// owner may read the file, because URLs and IDs can contain secrets.
func replaceFile(name string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // after the rename it finds no file
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if closing := f.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return err
	}
	return syncDir(filepath.Dir(name))
}
