package main

import "io"

// watchReader does nothing: on Windows only a write shows that the reader is gone.
func watchReader(io.Writer, func()) (stop func()) { return func() {} }
