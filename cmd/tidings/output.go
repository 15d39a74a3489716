package main

import (
	"errors"
	"io/fs"
	"os"
)

// errReaderGone ends a run whose output has no reader any more, such as a closed pipe.
var errReaderGone = errors.New("its reader is gone")

// outputError is the error of output that could not be written.
type outputError struct{ err error }

func (e *outputError) Error() string { return "the output cannot be written: " + e.err.Error() }
func (e *outputError) Unwrap() error { return e.err }

// outputFault returns the error to report for an error. Commands that print lists return what a write to standard output has returned.
func outputFault(err error) error {
	_, known := errors.AsType[*outputError](err)
	if path, ok := errors.AsType[*fs.PathError](err); ok && !known && path.Op == "write" && path.Path == os.Stdout.Name() {
		return &outputError{path}
	}
	return err
}
