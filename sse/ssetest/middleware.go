package ssetest

import "net/http"

// Wrap returns w as well-behaved middleware hands it on: with nothing but the methods of [http.ResponseWriter] and
// an Unwrap, which is all that [http.ResponseController] needs to flush.
func Wrap(w http.ResponseWriter) http.ResponseWriter { return &wrapped{bare{w}} }

// Bare returns w as middleware hands it on that knows nothing of streams: it cannot be flushed, nor unwrapped.
func Bare(w http.ResponseWriter) http.ResponseWriter { return bare{w} }

type bare struct{ w http.ResponseWriter }

func (b bare) Header() http.Header         { return b.w.Header() }
func (b bare) Write(p []byte) (int, error) { return b.w.Write(p) }
func (b bare) WriteHeader(status int)      { b.w.WriteHeader(status) }

type wrapped struct{ bare }

func (w *wrapped) Unwrap() http.ResponseWriter { return w.w }
