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

// position is what a state file holds, as JSON: the last event ID of which everything was handled, and the
// stream it belongs to. An ID means nothing to another stream.
type position struct {
	URL string `json:"url"`
	ID  string `json:"id"`
}

// state keeps a position in a file. The file is replaced in one step, so that at any moment, also after a
// power failure, it holds a whole position. It lags behind what was handled by no more than interval.
// So every event is handled at least once, and those of the last moments before a crash twice.
type state struct {
	file     string
	interval time.Duration // 0: save writes

	mu      sync.Mutex // guards the following
	current position
	written position
	at      time.Time   // of the last write
	timer   *time.Timer // writes what came since; nil while there is nothing to write
	err     error       // the first failure to write
}

// maxState bounds what is read of a file that may be anything. An ID is what fits into a header.
const maxState = 1 << 20

// openState reads file, or makes it. It writes at once: what cannot be written should come out before the
// first event and not after it.
func openState(file, url string, interval time.Duration) (*state, error) {
	if target, err := filepath.EvalSymlinks(file); err == nil {
		file = target // replace what a link points to, not the link
	}
	pos, err := readPosition(file)
	if err != nil {
		return nil, err
	}
	if pos.ID != "" && pos.URL != url {
		return nil, fmt.Errorf("the state file %s belongs to another stream, %s\n"+
			"hint: give every stream a file of its own, or remove this one to begin anew", file, visible(pos.URL))
	}
	s := &state{file: file, interval: interval, current: position{URL: url, ID: pos.ID}}
	if err := s.write(); err != nil {
		return nil, err
	}
	return s, nil
}

// readPosition returns the position in file, the zero one if there is no file or it is empty.
func readPosition(file string) (position, error) {
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return position{}, nil
	case err != nil:
		return position{}, fmt.Errorf("the state file cannot be read: %w", err)
	case !info.Mode().IsRegular():
		return position{}, fmt.Errorf("the state file %s is no regular file", file)
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
		return position{}, nil // as mktemp makes it
	}
	pos, ok := parsePosition(text)
	if !ok {
		return position{}, fmt.Errorf("the file %s is not a state file of tidings sub: it was left as it is", file)
	}
	return pos, nil
}

// parsePosition is strict, for whatever it accepts will be overwritten.
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

// save notes that everything up to id is handled. It is in the file after interval at the latest, or after close.
// An error may be that of an earlier position. A nil state saves nothing.
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

// late is what the timer calls.
func (s *state) late() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer != nil {
		s.timer = nil
		_ = s.write() // s.err keeps the failure for the next save, or close
	}
}

// close writes what is not yet in the file.
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

// write is called with mu held, or before anyone else knows s.
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

// replaceFile replaces the content of a file atomically: a reader finds the old or the new content, also after a power loss. Only the
// owner may read the file, because URLs and IDs can hold secrets.
func replaceFile(name string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails, as it should, once the file has its new name
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
